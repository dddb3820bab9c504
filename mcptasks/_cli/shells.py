"""How bash, zsh and fish ask the program for completions: a script for each, and how its request is read.

The scripts for bash and fish are our own. click's script for bash fails at colons, as in URLs and `cursor:name`; its
script for fish cuts descriptions at commas.
"""

from __future__ import annotations

import os

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

# bash splits a word at colons and equals signs, and replaces only the last piece by an offer. So the program gets the
# whole line, and the script removes the earlier pieces from each offer.
_BASH = """%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} breaks= before= kind offer
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
    if [[ $breaks ]]; then
        before=${line##*[[:space:]]}
        before=${before%%"${before##*[$breaks]}"}
    fi
    COMPREPLY=()
    while IFS=, read -r kind offer; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${offer#"$before"}") ;;
        esac
        [[ $offer == *: ]] && compopt -o nospace
    done < <(env COMP_WORDS="$line" %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_FISH = """function %(complete_func)s
    set -l line (commandline -cp | string collect)
    set -l word (commandline -ct | string collect)
    for item in (env COMP_WORDS="$line" COMP_CWORD="$word" %(complete_var)s=fish_complete %(prog_name)s 2>/dev/null)
        set -l parts (string split -m 1 , -- $item)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end
complete --keep-order --no-files --command %(prog_name)s --arguments '(%(complete_func)s)'
"""

# zsh has no `compdef` unless the user has turned the completion system on. -i: do not ask about insecure folders.
_COMPINIT = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }"


class _Whole(ShellComplete):
    """Offers whole words, as the shells expect them."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return the offers for a word that is being typed.

        Args:
            args: The words before it.
            incomplete: The word.
        """
        if "--" in args:
            return [CompletionItem(incomplete, type="file")]  # After `--` comes another program's command line.
        option, sign, _ = incomplete.partition("=")
        found = super().get_completions(args, incomplete)
        if not sign or not option.startswith("--"):
            return found
        # click offers the value alone.
        return [
            CompletionItem(f"{option}={item.value}", type=item.type, help=item.help) if item.type == "plain" else item
            for item in found
        ]


class _Bash(_Whole, BashComplete):
    """bash. `COMP_WORDS` is the line up to the cursor."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the complete words, and the beginning of the word that is being typed."""
        line = os.environ.get("COMP_WORDS", "")
        words = split_arg_string(line)
        typed = words.pop() if words and not line[-1].isspace() else ""
        return words[1:], typed


class _Zsh(_Whole, ZshComplete):
    """zsh. The line that names the command must come first in a file of `fpath`."""

    source_template = ZshComplete.source_template.replace("\n", f"\n{_COMPINIT}\n", 1)


class _Fish(_Whole, FishComplete):
    """fish. `COMP_WORDS` is the line up to the cursor, `COMP_CWORD` the word at the cursor up to there."""

    source_template = _FISH


SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}
"""The shells that are known, by name."""

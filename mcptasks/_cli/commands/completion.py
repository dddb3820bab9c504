"""`mcptasks completion`: the script with which a shell completes commands, ids and names."""

from __future__ import annotations

import click

from mcptasks._cli import options
from mcptasks._cli.exits import Exit
from mcptasks._cli.setting import Setting


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@options.setting(stores=False)
def command(setting: Setting, shell: str) -> Exit:
    """Print the script that completes `mcptasks` in a shell: commands, options, ids of tasks, servers and tools.

    \b
    bash:  eval "$(mcptasks completion bash)"              in ~/.bashrc
    zsh:   eval "$(mcptasks completion zsh)"               in ~/.zshrc
    fish:  mcptasks completion fish > ~/.config/fish/completions/mcptasks.fish
    """
    from mcptasks._cli.app import COMPLETES, cli
    from mcptasks._cli.shells import SHELLS

    kind = SHELLS[shell](cli, {}, "mcptasks", COMPLETES)
    # Not `kind.source()`: for bash, that starts a bash to look at its version.
    setting.screen.print(kind.source_template % kind.source_vars())
    return Exit.OK

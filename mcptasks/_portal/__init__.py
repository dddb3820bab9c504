"""How blocking programs reach the async core: a background thread, calls into it, and the facade's base classes."""

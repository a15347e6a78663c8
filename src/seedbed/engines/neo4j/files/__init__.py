"""A migration's file: tokens, statements, sections, directives, steps. Pure."""

"""The command line: parse, build through `project`, call one method, choose an exit code. Prompts live here."""

"""The logins of a database, where seedbed makes them: its own, which owns all, and the application's."""

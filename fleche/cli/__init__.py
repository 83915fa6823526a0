"""The command ``fleche``."""

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from fleche.cli.app import app  # typer and rich load only here

    app()

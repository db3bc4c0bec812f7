"""`python -m cli` is the same as `teachset`."""

from cli.main import run

if __name__ == "__main__":
    run()

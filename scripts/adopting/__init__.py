"""Parts of scripts/adopt.py, which takes them from the template that it fetches."""

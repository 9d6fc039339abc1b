"""What every component carries: what is said (wire), how one lives (runtime), what is true (catalogue)."""

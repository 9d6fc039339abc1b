"""What to upload, in which form and when to try again: pure decisions on plain values."""

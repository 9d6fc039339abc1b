"""What is put in force, sent and reported; decided on plain values."""

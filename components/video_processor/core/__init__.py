"""What VideoProcessor decides, on plain values."""

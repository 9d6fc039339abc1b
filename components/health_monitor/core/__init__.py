"""What HealthMonitor decides, on plain values."""

"""Catalogue to S3: every object once, checksummed end to end, through crashes and days without a network."""

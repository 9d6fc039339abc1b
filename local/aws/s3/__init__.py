"""Objects of S3: stored as files, verified as AWS verifies them, told of to EventBridge.

moto keeps objects in memory, forgets them at its end, and takes wrong checksums, expired addresses and forged
signatures; so this package answers for objects, and moto only for buckets.
"""

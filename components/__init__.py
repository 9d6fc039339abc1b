"""The components of a site: each is deployed by itself; they talk by message, never by import."""

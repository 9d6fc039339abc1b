"""Building, publishing and rolling out the components."""

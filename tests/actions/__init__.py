"""Organizations describe their own actions."""

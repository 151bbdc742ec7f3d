"""Investigation and cases."""

"""Key warnings: emails about API keys that expire soon, or whose maker has left.

Promises: a week and a day before a key expires its maker, the owners and the admins get one email each, owners one
about keys that go on working after their maker left; each once, whatever is restarted or runs twice. Tables: none; what
was sent stands in `api_keys`.
"""

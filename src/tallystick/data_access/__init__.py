"""Data access: the record of who read the trail, in the trail itself.

Promises: what people look at is recorded once it has stayed on the screen, and not again for ten minutes; requests of
an API key are counted by the day; a stream of events is recorded before its first byte. Nobody floods the trail by
reading: a limited number of events of one reader is recorded at once, further ones slowly, and one each hour with the
number of the others. No reader causes an event by reading the events that its reading caused. Searches never wait. An
organization decides how much of what people look at is recorded; requests and streams of keys, and exports, are
recorded always.

Tables: data_access_counts, data_access_settings. Work: `DataAccessRecorder`.
"""

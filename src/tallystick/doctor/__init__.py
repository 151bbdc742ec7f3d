"""The doctor: looks at everything that Tallystick stands on, and says of each what to do.

Promises: it changes nothing, it needs no server and does not disturb one, and what is a problem now or will be one
soon is said in a sentence with advice. Tables: none of its own; it reads those of the packages below.
"""

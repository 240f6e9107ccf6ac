"""The catching mailbox: a real SMTP server on loopback that keeps every letter, and pages to read them on.

For trying things out. The server, and the pages that need no login, don't run where the site's public address is not
this very machine; the desk's own pages show the rehearsals that were kept here.
"""

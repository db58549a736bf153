"""Writers: what turns a ticket and its evidence into a note. `writer.py` has the port, each other file or folder one concern."""

"""Reading what operators import: CSV, JSON lines, a folder of Markdown.

records     any of the three as records that know their file and line
fields      one field of a record, checked
knowledge, inventory, history   what a record must hold to be an article, a device, a solved ticket

A file is read whole and every bad row is named by file and line before anything is written, so that nothing is half-imported.
"""

"""audit: seals each tenant's closed hours of the audit log, drops them after 90 days, and proves that none was changed.

An hour's entries are hashed; the seal holds that hash and the hash of the tenant's seal before, and is signed with the sealer's own
key, which the database doesn't have. Each seal is logged as well, so that seals which vanish from the database are missed.
"""

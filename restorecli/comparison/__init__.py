"""A page that shows photos beside what became of them: one HTML file, opened by any browser, offline.

`target` says where one may be written, `display` makes a file's first page fit for a screen, `difference` and
`places` find what changed and where it is worth a look, `pictures` and `entry` make of it what the page holds
of a photo, `page` writes the page, `collect` follows a run, and `folders` finds the pairs of two folders.
"""

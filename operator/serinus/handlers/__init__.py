"""kopf, the shell: it logs in and watches our two kinds; each handler hands on what it is told."""

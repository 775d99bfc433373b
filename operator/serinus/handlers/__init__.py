"""kopf, the shell: it logs in and watches our two kinds; each handler only passes objects on."""

"""Read the files of microscopes' own programs, by packages of the extra ``vendor``."""

"""Images for the agent: displayed by the notebook, or made of figures, arrays and files.

    source.py       an image in any form, also as a chart or an SVG
    display_log.py  record the images that the notebook displays
    from_value.py   an image of a figure, an array, a chart or another value
    from_file.py    an image of bytes or of a file
    spec.py         find the images that a user's words name
    rasterize.py    convert charts and SVG to raster files
    resize.py       scale an image to the size that is sent
    attach.py       the functions `images` and `image`, and the images of a prompt

When the extension is loaded, only `display_log` and `source` are imported.
"""

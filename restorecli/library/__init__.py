"""The restoring commands as functions of Python: pictures in, pictures of the same kind out.

`functions` has one per command, `restorer` keeps the networks of a command for many pictures, and `pictures`
turns arrays, Pillow's images and tensors to photos and back. All of it is offered by the package itself:
``restorecli.denoise(…)``.
"""

from restorecli.library.functions import auto as auto
from restorecli.library.functions import deblur as deblur
from restorecli.library.functions import dejpeg as dejpeg
from restorecli.library.functions import demosaic as demosaic
from restorecli.library.functions import denoise as denoise
from restorecli.library.functions import enhance as enhance
from restorecli.library.functions import upscale as upscale
from restorecli.library.restorer import Restored as Restored
from restorecli.library.restorer import Restorer as Restorer
from restorecli.library.restorer import RestoreWarning as RestoreWarning

__version__: str

// The program `atelier`: the command line, in a process of its own.

import AtelierCommand

AtelierTool.main()

// The one module that a Swift program imports: everything of the library, nothing of the command line.

@_exported import AtelierDatasets
@_exported import AtelierEngine
@_exported import AtelierImages
@_exported import AtelierInterchange
@_exported import AtelierKernels
@_exported import AtelierMedia
@_exported import AtelierScenery
@_exported import AtelierStudio
@_exported import AtelierTraining
@_exported import AtelierVision
@_exported import AtelierZoo

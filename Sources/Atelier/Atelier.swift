// The one module that a Swift program imports: everything of the library, nothing of the command line.

@_exported import AtelierAdversarial
@_exported import AtelierClassification
@_exported import AtelierCourse
@_exported import AtelierDatasets
@_exported import AtelierDenoising
@_exported import AtelierEngine
@_exported import AtelierFaceSwap
@_exported import AtelierFiles
@_exported import AtelierGeneration
@_exported import AtelierImages
@_exported import AtelierInterchange
@_exported import AtelierKernels
@_exported import AtelierMedia
@_exported import AtelierScenery
@_exported import AtelierSegmentation
@_exported import AtelierStudio
@_exported import AtelierTraining
@_exported import AtelierVision
@_exported import AtelierWorkbench
@_exported import AtelierZoo

// The slow and obvious twins of the kernels; every file of this directory extends `Reference` by
// one family.

/// Plain loops that say what the kernels compute; tests compare every kernel with its twin here.
public enum Reference {}

// The exponential function of the platform, for constants that layers compute while tracing.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// eˣ.
func exponential(_ x: Float) -> Float { exp(x) }

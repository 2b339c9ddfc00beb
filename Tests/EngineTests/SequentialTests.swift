// The sequential builder in all its branches, and summaries to the letter.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

@Suite("Sequential and summary")
struct SequentialTests {
  /// The names of the layers that a model of vectors traces.
  private func names(_ model: Sequential) throws -> [String] {
    try Sequential(input: .vector(4)) { model }.graph().nodes.map(\.name)
  }

  @Test("empty: the output is the input") func empty() throws {
    let graph = try Sequential(input: .vector(4)) {}.graph(batch: 3)
    #expect(graph.nodes.isEmpty)
    #expect(graph.output(named: "output") == graph.input(named: "input"))
    #expect(graph.values.map(\.shape) == [[3, 4]])
    let x = Tensor.random([3, 4], seed: 1)
    #expect(try outputs(of: graph, ["input": x])["output"] == x)
  }

  @Test("if without else", arguments: [true, false]) func optional(isDeep: Bool) throws {
    let model = Sequential {
      Dense(units: 3, name: "a")
      if isDeep { Dense(units: 3, name: "b") }
      Dense(units: 3, name: "c")
    }
    #expect(try names(model) == (isDeep ? ["a", "b", "c"] : ["a", "c"]))
  }

  @Test("if and else", arguments: [0, 1, 2]) func either(depth: Int) throws {
    let model = Sequential {
      if depth == 0 {
        Dense(units: 3, name: "zero")
      } else if depth == 1 {
        Dense(units: 3, name: "one")
        Dense(units: 3, name: "more")
      } else {
        Dense(units: 3, name: "two")
      }
    }
    #expect(try names(model) == [["zero"], ["one", "more"], ["two"]][depth])
  }

  @Test("for", arguments: [0, 1, 3]) func loop(count: Int) throws {
    let model = Sequential {
      for index in 0..<count {
        Dense(units: 3, name: "dense\(index)")
        if index % 2 == 0 { Activate(.relu, name: "relu\(index)") }
      }
    }
    let expected = (0..<count).flatMap { index in
      ["dense\(index)"] + (index % 2 == 0 ? ["relu\(index)"] : [])
    }
    #expect(try names(model) == expected)
  }

  @Test("nested models and lists keep their order") func nested() throws {
    let block = Sequential {
      Dense(units: 3, name: "inner")
      Sequential { Activate(.tanh, name: "innermost") }
    }
    let list: [any Layer] = [Dense(units: 2, name: "listed"), Softmax(name: "last")]
    let model = Sequential {
      Dense(units: 5, name: "outer")
      block
      list
    }
    #expect(model.layers.count == 4)
    #expect(try names(model) == ["outer", "inner", "innermost", "listed", "last"])
  }

  @Test("the batch size is the tracer's") func batch() throws {
    let model = Sequential(input: .image(height: 4, width: 6, channels: 2)) { MaxPool2D() }
    #expect(try model.graph().values[0].shape == [1, 4, 6, 2])
    #expect(try model.graph(batch: 5).values[1].shape == [5, 2, 3, 2])
  }

  // MARK: Summary

  /// The course's network for handwritten digits.
  private static let digits = Sequential(input: .image(height: 28, width: 28, channels: 1)) {
    Convolution2D(filters: 16, kernel: 3, activation: .relu)
    MaxPool2D()
    Convolution2D(filters: 32, kernel: 3, activation: .relu)
    MaxPool2D()
    Convolution2D(filters: 64, kernel: 3, activation: .relu)
    Flatten()
    Dense(units: 512, activation: .relu)
    Dense(units: 512, activation: .relu)
    Dense(units: 10)
    Softmax()
  }

  @Test("the course's digits network: 1,897,226 parameters") func digits() throws {
    #expect(try Self.digits.graph().parameterCount == 1_897_226)
    #expect(
      try Self.digits.summary(title: "digits") == """
        Model: "digits"
        ┌────────────────────────────────┬────────────────────┬───────────┐
        │ Layer (type)                   │ Output Shape       │   Param # │
        ├────────────────────────────────┼────────────────────┼───────────┤
        │ input (Input)                  │ (None, 28, 28, 1)  │         0 │
        │ conv2d (Conv2D)                │ (None, 28, 28, 16) │       160 │
        │ max_pooling2d (MaxPooling2D)   │ (None, 14, 14, 16) │         0 │
        │ conv2d_1 (Conv2D)              │ (None, 14, 14, 32) │     4,640 │
        │ max_pooling2d_1 (MaxPooling2D) │ (None, 7, 7, 32)   │         0 │
        │ conv2d_2 (Conv2D)              │ (None, 7, 7, 64)   │    18,496 │
        │ flatten (Flatten)              │ (None, 3136)       │         0 │
        │ dense (Dense)                  │ (None, 512)        │ 1,606,144 │
        │ dense_1 (Dense)                │ (None, 512)        │   262,656 │
        │ dense_2 (Dense)                │ (None, 10)         │     5,130 │
        │ softmax (Softmax)              │ (None, 10)         │         0 │
        └────────────────────────────────┴────────────────────┴───────────┘
         Total params: 1,897,226 (7.24 MB)
         Trainable params: 1,897,226 (7.24 MB)
         Non-trainable params: 0 (0.00 B)
        """)
  }

  @Test("skips are connections; shared and frozen parameters count once and apart")
  func connections() throws {
    let graph = try Graph.trace { builder in
      let x = builder.input("x", [1, 4, 4, 3])
      let shared = Convolution2D(
        filters: 3, kernel: 3, activation: .relu, isTrainable: false, name: "shared")
      let y = shared(shared(x))
      let z = BatchNormalization(name: "norm")(concatenate(x, y))
      builder.output("y", z)
    }
    #expect(
      graph.summary() == """
        Model: "model"
        ┌───────────────────────────┬─────────────────┬─────────┬──────────────┐
        │ Layer (type)              │ Output Shape    │ Param # │ Connected to │
        ├───────────────────────────┼─────────────────┼─────────┼──────────────┤
        │ x (Input)                 │ (None, 4, 4, 3) │       0 │ -            │
        │ shared (Conv2D)           │ (None, 4, 4, 3) │      84 │ x            │
        │ shared_1 (Conv2D)         │ (None, 4, 4, 3) │       0 │ shared       │
        │ concatenate (Concatenate) │ (None, 4, 4, 6) │       0 │ x, shared_1  │
        │ norm (BatchNormalization) │ (None, 4, 4, 6) │      24 │ concatenate  │
        └───────────────────────────┴─────────────────┴─────────┴──────────────┘
         Total params: 108 (432.00 B)
         Trainable params: 12 (48.00 B)
         Non-trainable params: 96 (384.00 B)
        """)
  }

  @Test("constants of a loss are not parameters") func constants() throws {
    let graph = try Graph.trace { builder in
      let x = builder.input("x", [1, 12, 12, 1])
      builder.output("loss", Loss.structuralSimilarity(x, builder.input("y", [1, 12, 12, 1])))
    }
    #expect(graph.parameters.count == 1)
    #expect(graph.parameterCount == 0)
  }

  @Test("VGG16 without its top, frozen, under a new one: 14,714,688 and 1,254,552")
  func transfer() throws {
    let blocks = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]
    let base = Sequential {
      for (count, filters) in blocks {
        for _ in 0..<count {
          Convolution2D(filters: filters, kernel: 3, activation: .relu, isTrainable: false)
        }
        MaxPool2D()
      }
    }
    let graph = try Sequential(input: .image(height: 224, width: 224, channels: 3)) {
      base
      Flatten()
      Dense(units: 50, activation: .relu)
      Dense(units: 2)
      Softmax()
    }.graph()
    #expect(graph.parameterCount - graph.trainableParameterCount == 14_714_688)
    #expect(graph.trainableParameterCount == 1_254_552)
    let lines = graph.summary().split(separator: "\n").suffix(3)
    #expect(
      Array(lines) == [
        " Total params: 15,969,240 (60.92 MB)", " Trainable params: 1,254,552 (4.79 MB)",
        " Non-trainable params: 14,714,688 (56.13 MB)",
      ])
  }
}

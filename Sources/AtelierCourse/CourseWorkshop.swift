// The workshop of what a course shows beside the studio's own work: text, games, rivals on digits.

import AtelierWorkbench

/// Text by characters, games played from pixels, histograms of gradients against a network.
public enum CourseWorkshop: Workshop {
  public static let name = "course"
  public static let summary =
    "Learn text by characters, learn games from pixels, compare digit readers."
  public static let guide = """
    EXAMPLES
      atelier course text book.txt -o out/book --minutes 10
      atelier course text --model out/book/model.safetensors \\
        --prompt "The " --temperature 0.7
      atelier course play --game catch -o out/catch
      atelier course rivals --data mnist --epochs 5
    """
  public static let mainJob: String? = nil
  public static let jobs: [any Job.Type] = [CourseText.self, CoursePlay.self, CourseRivals.self]
}

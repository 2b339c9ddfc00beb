// Mistakes on the command line, each with its exit code and the line that tells of it.

import Testing

/// A mistake on the command line and what the tool says to it.
struct MistakeCase: CustomTestStringConvertible {
  let arguments: [String]
  let status: Int32
  let line: String

  init(_ arguments: String, _ status: Int32, _ line: String) {
    self.arguments = arguments.split(separator: " ").map(String.init)
    self.status = status
    self.line = line
  }

  var testDescription: String { "atelier \(arguments.joined(separator: " "))" }

  static let all: [MistakeCase] = [
    MistakeCase("paint", 64, "atelier: Unexpected argument 'paint' (see atelier --help)"),
    MistakeCase(
      "denoise a.png", 64,
      "atelier: Missing expected argument '--output <out>' (see atelier denoise run --help)"),
    MistakeCase(
      "denoise a.png -o b.png --sigma 300", 64,
      "atelier: --sigma takes 0 to 255; received 300.0 (see atelier denoise run --help)"),
    MistakeCase(
      "denoise a.png -o b.png --threads 0", 64,
      "atelier: --threads takes 1 to 256; received 0 (see atelier denoise run --help)"),
    MistakeCase(
      "denoise a.png -o b.png --model none.safetensors", 66,
      "atelier: none.safetensors: no such file or folder"),
    MistakeCase("denoise none.png -o b.png", 66, "atelier: none.png: no such file or folder"),
    MistakeCase("denoise empty -o out", 66, "atelier: empty: the folder holds no picture"),
    MistakeCase(
      "denoise good.png -o good.png", 64,
      "atelier: good.png: the result would overwrite an input; name another place"),
    MistakeCase(
      "denoise good.png sub/good.png -o out", 64,
      "atelier: good.png and sub/good.png would both be written to out/good.png"),
    MistakeCase(
      "denoise train --data empty --steps 1 --run r", 64,
      "atelier: a training needs a network: give --network, one of "
        + "autoencoder, unet, residual-unet, blind-unet, blur-unet, dncnn, ffdnet"),
    MistakeCase(
      "denoise train --network vgg --scenes 1 --steps 1 --run r", 64,
      "atelier: The value 'vgg' is invalid for '--network <name>': expected a network, one of "
        + "autoencoder, unet, residual-unet, blind-unet, blur-unet, dncnn, ffdnet; received 'vgg' "
        + "(see atelier denoise train --help)"),
    MistakeCase(
      "denoise train --network unet --steps 1 --run r", 64,
      "atelier: a training needs pictures: give --data or --scenes"),
    MistakeCase(
      "denoise train --network unet --scenes 1 --run r", 64,
      "atelier: a training needs a limit: give --steps or --minutes"),
    MistakeCase(
      "denoise train --network unet --data none --steps 1 --run r", 66,
      "atelier: none: no such file or folder"),
    MistakeCase(
      "denoise train --network unet --unpool max --scenes 1 --steps 1 --run r", 64,
      "atelier: --unpool is for the autoencoder alone"),
    MistakeCase(
      "denoise train --network dncnn --widths 4 --scenes 1 --steps 1 --run r", 64,
      "atelier: --widths is for autoencoder, residual-unet, blind-unet and blur-unet alone"),
    MistakeCase(
      "denoise train --network unet --channels 2 --scenes 1 --steps 1 --run r", 64,
      "atelier: --channels takes 1 or 3; received 2 (see atelier denoise train --help)"),
    MistakeCase(
      "denoise train --network unet --color --channels 1 --scenes 1 --steps 1 --run r", 64,
      "atelier: --color and --channels 1 contradict (see atelier denoise train --help)"),
    MistakeCase(
      "denoise compare --unpool max,max --scenes 1 --steps 1", 64,
      "atelier: --unpool takes each unpooling once, or all (see atelier denoise compare --help)"),
    MistakeCase(
      "denoise compare --scenes 1", 64,
      "atelier: a training needs a limit: give --steps or --minutes"),
    MistakeCase(
      "denoise train --network unet --scenes 1 --steps 1 --run r --patience 0", 64,
      "atelier: --patience takes at least 1; received 0 (see atelier denoise train --help)"),
    MistakeCase(
      "denoise train --network unet --scenes 1 --steps 1 --run r --batch 16 --shards 3", 64,
      "atelier: --shards 3: expected a number that divides --batch 16"),
    MistakeCase(
      "denoise train --run none --resume", 66, "atelier: none: no such file or folder"),
    MistakeCase(
      "denoise train --run r --resume --batch 3 --data empty", 64,
      "atelier: --resume goes on with the run's own settings; leave out --data, --batch"),
    MistakeCase(
      "denoise evaluate --model bad.safetensors --data good.png --sigma 25", 65,
      "atelier: bad.safetensors at byte 0: expected at least 8 bytes, received 5"),
    MistakeCase(
      "denoise evaluate --sigma 25", 64,
      "atelier: give clean pictures by --data, or pairs by --noisy and --clean"),
    MistakeCase(
      "denoise evaluate --data good.png", 64,
      "atelier: --data needs the noise that is added: give --sigma "
        + "(see atelier denoise evaluate --help)"),
    MistakeCase(
      "denoise evaluate --data good.png --noisy empty --clean empty", 64,
      "atelier: give --data, or --noisy and --clean, not both "
        + "(see atelier denoise evaluate --help)"),
    MistakeCase(
      "denoise evaluate --noisy empty", 64,
      "atelier: noisy and clean pictures make pairs: give --noisy and --clean "
        + "(see atelier denoise evaluate --help)"),
    MistakeCase(
      "denoise evaluate --noisy empty --clean empty --blind", 64,
      "atelier: --blind is for noise that is added to --data; without --sigma that of --noisy is "
        + "estimated (see atelier denoise evaluate --help)"),
    MistakeCase(
      "denoise evaluate --noisy empty --clean empty", 66,
      "atelier: empty: the folder holds no picture"),
    MistakeCase(
      "denoise evaluate --data good.png --sigma 25 --baseline nlm", 64,
      "atelier: The value 'nlm' is invalid for '--baseline <kind>': expected one of bm3d; "
        + "received 'nlm' (see atelier denoise evaluate --help)"),
    MistakeCase(
      "model summary none", 66,
      "atelier: none: expected a model file or one of autoencoder, unet, residual-unet, "
        + "blind-unet, blur-unet, dncnn, ffdnet, " + classifierNames
        + ", fcn, segment-unet, segnet, "
        + "segnet-basic, mask-rcnn, stars, swap-original, swap-half, swap-slim, "
        + "noise-encoder-decoder, "
        + "noise-unet, noise-resnet, generate-dcgan, generate-residual, generate-vae, rbm; there is "
        + "no such file"),
    MistakeCase(
      "model export dncnn -o net.onnx --opset 7", 64,
      "atelier: --opset takes 13 to 22; received 7 (see atelier model export --help)"),
    MistakeCase(
      "model check dncnn --against none.npz", 66,
      "atelier: none.npz: no such file or folder"),
    MistakeCase("model import none.onnx", 66, "atelier: none.onnx: no such file or folder"),
    MistakeCase("model import none.pth", 66, "atelier: none.pth: no such file or folder"),
    MistakeCase(
      "model import bad.safetensors -o small.safetensors", 65,
      "atelier: bad.safetensors: expected weights of PyTorch (.pth, .th, .pt), Keras (.h5) or "
        + "safetensors; the first bytes are none of theirs"),
    MistakeCase(
      "model import bad.safetensors", 64,
      "atelier: bad.safetensors: the result would overwrite the file that is read; name another "
        + "with -o"),
    MistakeCase(
      "model import bad.safetensors -o small.safetensors --map x", 64,
      "atelier: --map takes a regular expression, = and a name; received 'x' "
        + "(see atelier model import --help)"),
    MistakeCase(
      "classify train --data empty --from none.safetensors --run r", 66,
      "atelier: none.safetensors: no such file or folder"),
    MistakeCase(
      "classify train --data empty --network course --mode features --run r", 64,
      "atelier: --mode is for --from, the model whose layers are taken over "
        + "(see atelier classify train --help)"),
    MistakeCase(
      "model shrink bad.safetensors -o small.safetensors", 65,
      "atelier: bad.safetensors at byte 0: expected at least 8 bytes, received 5"),
    MistakeCase(
      "model shrink none -o small.safetensors", 66, "atelier: none: no such file or folder"),
    MistakeCase(
      "model summary fcn --unpool max", 64, "atelier: fcn has no --unpool"),
    MistakeCase(
      "model summary segnet --widths 3,4", 64,
      "atelier: segnet takes one width, its first level's"),
    MistakeCase(
      "model summary mask-rcnn --batch 2", 64, "atelier: mask-rcnn takes --size alone"),
    MistakeCase(
      "model summary course --widths 3", 64, "atelier: course has no --widths and no --unpool"),
    MistakeCase(
      "classify train --data empty --run r", 64,
      "atelier: a training needs a network: give --network, one of "
        + classifierNames + ", or --from with a model to take layers over from"),
    MistakeCase(
      "classify train --network vgg --data empty --run r", 64,
      "atelier: The value 'vgg' is invalid for '--network <name>': expected a network, one of "
        + classifierNames + "; received 'vgg' "
        + "(see atelier classify train --help)"
    ),
    MistakeCase(
      "classify train --network course --run r", 64,
      "atelier: a training needs pictures with classes: give --data"),
    MistakeCase(
      "classify train --network course --data none --run r", 66,
      "atelier: none: no such file or folder"),
    MistakeCase(
      "classify train --network course --data empty --run r", 65,
      "atelier: empty: expected IDX files, CIFAR's .bin files or one folder a class; there are none"
    ),
    MistakeCase(
      "classify train --network course --data empty --run r --weight-decay 1 --optimizer sgd", 64,
      "atelier: --weight-decay is for --optimizer adamw alone (see atelier classify train --help)"),
    MistakeCase(
      "classify train --run r --resume --batch 3 --flip", 64,
      "atelier: --resume goes on with the run's own settings; leave out --flip, --batch"),
    MistakeCase(
      "classify good.png --model bad.safetensors", 65,
      "atelier: bad.safetensors at byte 0: expected at least 8 bytes, received 5"),
    MistakeCase(
      "classify explain --story --model bad.safetensors -o out", 64,
      "atelier: --story brings its own pictures and models (see atelier classify explain --help)"),
    MistakeCase(
      "attack train --run r", 64,
      "atelier: a training needs a classifier and pictures: give --victim and --data"),
    MistakeCase(
      "attack train --victim bad.safetensors --data empty --run r", 65,
      "atelier: bad.safetensors at byte 0: expected at least 8 bytes, received 5"),
    MistakeCase(
      "attack train --victim bad.safetensors --data empty --run r --epsilon 2", 64,
      "atelier: --epsilon takes numbers above 0 and at most 1.0, such as 0.3 or 8/255; "
        + "received '2' (see atelier attack train --help)"),
    MistakeCase(
      "attack train --victim bad.safetensors --data empty --run r --loss margin:x", 64,
      "atelier: The value 'margin:x' is invalid for '--loss <loss>': expected margin:KAPPA or "
        + "ce:LIMIT; received 'margin:x' (see atelier attack train --help)"),
    MistakeCase(
      "attack train --victim bad.safetensors --data empty --run r --network vgg", 64,
      "atelier: The value 'vgg' is invalid for '--network <name>': expected a generator, one of "
        + "encoder-decoder, unet, resnet; received 'vgg' (see atelier attack train --help)"),
    MistakeCase(
      "attack evaluate --victim bad.safetensors --data empty --attacks pgd", 64,
      "atelier: The value 'pgd' is invalid for '--attacks <list>': expected random, fgsm, "
        + "pgd-STEPS, pgd-STEPSxRESTARTS, pgd-STEPSxRESTARTS-FORM, cw, cw-SEARCHESxSTEPS, "
        + "square or square-QUERIES; received 'pgd' (see atelier attack evaluate --help)"),
    MistakeCase(
      "attack evaluate --victim bad.safetensors --data empty --attacks pgd-9-corners", 64,
      "atelier: The value 'pgd-9-corners' is invalid for '--attacks <list>': expected a start of "
        + "PGD, one of uniform, squares, mixed; received 'corners' "
        + "(see atelier attack evaluate --help)"),
    MistakeCase(
      "attack train --antagonist --data empty --run r --pgd-start near", 64,
      "atelier: The value 'near' is invalid for '--pgd-start <name>': expected a start of PGD, one "
        + "of uniform, squares, mixed; received 'near' (see atelier attack train --help)"),
    MistakeCase(
      "attack evaluate --victim bad.safetensors --data empty", 64,
      "atelier: give --generator, --attacks or both (see atelier attack evaluate --help)"),
    MistakeCase(
      "classify good.png", 64,
      "atelier: Missing expected argument '--model <file> ...' (see atelier classify run --help)"),
    MistakeCase(
      "classify evaluate --model bad.safetensors --data good.png --part half", 64,
      "atelier: The value 'half' is invalid for '--part <part>': expected training or test; "
        + "received 'half' (see atelier classify evaluate --help)"),
    MistakeCase(
      "model summary autoencoder --size 33x32", 64,
      "atelier: autoencoder takes heights and widths that are multiples of 8; received 33x32"),
    MistakeCase(
      "bench --phase sleep", 64,
      "atelier: The value 'sleep' is invalid for '--phase <phase>': expected train or infer; "
        + "received 'sleep' (see atelier bench --help)"),
    MistakeCase(
      "bench --precision half", 64,
      "atelier: The value 'half' is invalid for '--precision <kind>': expected float32 or "
        + "bfloat16; received 'half' (see atelier bench --help)"),
    MistakeCase(
      "bench --seconds 9999", 64,
      "atelier: --seconds takes 0 to 3600; received 9999.0 (see atelier bench --help)"),
    MistakeCase(
      "bench --roofline --kernels", 64,
      "atelier: expected one of --profile, --kernels and --roofline (see atelier bench --help)"),
    MistakeCase(
      "bench --kernels carving --only A-autoencoder", 64,
      "atelier: no kernel of these workloads has 'carving' in name and shape"),
    MistakeCase(
      "swap train --a sub --b sub --run r", 64,
      "atelier: a training needs a limit: give --steps or --minutes"),
    MistakeCase(
      "swap train --a sub --steps 1 --run r", 64,
      "atelier: a training needs faces of two people: give --a and --b, or --characters"),
    MistakeCase(
      "swap train --characters 4 --steps 1 --run r --mode both", 64,
      "atelier: The value 'both' is invalid for '--mode <mode>': expected joint or sequential; "
        + "received 'both' (see atelier swap train --help)"),
    MistakeCase(
      "swap train --characters 4 --steps 1 --run r --loss ssim", 64,
      "atelier: The value 'ssim' is invalid for '--loss <loss>': expected mae, dssim or mixed; "
        + "received 'ssim' (see atelier swap train --help)"),
    MistakeCase(
      "swap train --characters 4 --steps 1 --run r --coverage 0", 64,
      "atelier: --coverage takes 0.25 to 1; received 0.0 (see atelier swap train --help)"),
    MistakeCase(
      "swap train --characters 4 --steps 1 --run r --eyes-mouth-priority 0.5", 64,
      "atelier: --eyes-mouth-priority takes 1 to 100; received 0.5 (see atelier swap train --help)"),
    MistakeCase(
      "swap train --characters 4 --steps 1 --run r --quiet --zoom 3", 65,
      "atelier: the zoom of faces must be in 0.0...0.9; received 3.0"),
    MistakeCase(
      "swap train --characters 4 --steps 1 --run r --quiet --cycle 1 --original-alignment", 64,
      "atelier: the cycle needs drawings that lie where their inputs do: leave out "
        + "--original-alignment"),
    MistakeCase(
      "swap run good.png --model bad.safetensors --to a -o out.png --smooth -1", 64,
      "atelier: --smooth takes 0 to 50; received -1.0 (see atelier swap run --help)"),
    MistakeCase(
      "swap run good.png --model bad.safetensors --to a -o out.png --erode -0.6", 64,
      "atelier: --erode takes -0.5 to 0.5; received -0.6 (see atelier swap run --help)"),
    MistakeCase(
      "swap run good.png --model bad.safetensors --to a -o out.png --smooth 51", 64,
      "atelier: --smooth takes 0 to 50; received 51.0 (see atelier swap run --help)"),
    MistakeCase(
      "swap train --a sub --b empty --steps 1 --run r", 65, "atelier: no picture in "),
    MistakeCase(
      "swap train --run r --resume --cycle 1 --no-warp", 64,
      "atelier: --resume goes on with the run's own settings; leave out --cycle, --no-warp"),
    MistakeCase(
      "swap evaluate --model bad.safetensors --characters", 65,
      "atelier: bad.safetensors at byte 0: expected at least 8 bytes, received 5"),
    MistakeCase(
      "swap evaluate --model bad.safetensors", 64,
      "atelier: expected either --characters or --a and --b (see atelier swap evaluate --help)"),
    MistakeCase(
      "swap match --model bad.safetensors --a sub -o out", 64,
      "atelier: expected crops of both people: --a and --b (see atelier swap match --help)"),
    MistakeCase(
      "attack good.png --model bad.safetensors --victim bad.safetensors -o out", 65,
      "atelier: bad.safetensors at byte 0: expected at least 8 bytes, received 5"),
    MistakeCase(
      "attack train --balance 0.5 --run out", 64,
      "atelier: --balance belong to --antagonist (see atelier attack train --help)"),
    MistakeCase(
      "attack train --antagonist --universal --run out", 64,
      "atelier: a duel's noise is untargeted and drawn for each picture (see atelier attack"),
    MistakeCase(
      "attack train --antagonist --data sub --run out", 64,
      "atelier: a duel needs pictures and a classifier: give --data and either --victim or"),
    MistakeCase(
      "attack evaluate --victim bad.safetensors --data sub --attacks fgsm --denoiser-sigma 300",
      64, "atelier: --denoiser-sigma takes 0 to 255; received 300.0 (see atelier attack evaluate"),
    MistakeCase(
      "generate train --run r", 64, "atelier: a training needs pictures: give --data"),
    MistakeCase(
      "generate train --data empty --run r --network vae --game hinge", 64,
      "atelier: --game: for a game, which vae does not play (see atelier generate train --help)"),
    MistakeCase(
      "generate train --data empty --run r --hidden 5", 64,
      "atelier: --hidden belong to --network rbm (see atelier generate train --help)"),
    MistakeCase(
      "generate train --data empty --run r --network rbm --game hinge", 64,
      "atelier: --game: not for --network rbm"),
    MistakeCase(
      "generate train --data empty --run r", 65, "atelier: empty: the folder holds no picture"),
    MistakeCase(
      "generate train --data sub --size 30x30 --run r", 64,
      "atelier: dcgan: expected heights and widths that are multiples of 4, at least 16; received"),
    MistakeCase(
      "generate train --data sub --conditional --run r", 65,
      "atelier: sub: its pictures have no classes to ask for; leave --conditional away"),
    MistakeCase(
      "generate --model bad.safetensors -o out", 65,
      "atelier: bad.safetensors at byte 0: expected at least 8 bytes, received 5"),
    MistakeCase(
      "generate --model bad.safetensors -o out --sum 1-", 64,
      "atelier: The value '1-' is invalid for '--sum <sum>': expected numbers of pictures with"),
    MistakeCase(
      "generate --model bad.safetensors -o out --sum 1 --count 5", 64,
      "atelier: --count is not for --sum, which says itself what is drawn"),
    MistakeCase(
      "generate interpolate --model bad.safetensors -o out --pictures good.png", 64,
      "atelier: --pictures and --encoder belong together"),
    MistakeCase(
      "generate evaluate --data sub", 64,
      "atelier: what is to be measured? give --model, or --drawn with pictures"),
    MistakeCase(
      "classify train --data empty --run r --network course --widths 5", 64,
      "atelier: --widths belong to --network dbn (see atelier classify train --help)"),
    MistakeCase(
      "classify train --data empty --run r --network dbn --optimizer sgd", 64,
      "atelier: --optimizer: not for --network dbn"),
    MistakeCase(
      "segment train --data empty --steps 1 --run r", 64,
      "atelier: a training needs a network: give --network, one of unet, segnet-basic, segnet, fcn"),
    MistakeCase(
      "segment train --data empty --steps 1 --run r --network vgg", 64,
      "atelier: The value 'vgg' is invalid for '--network <name>': expected one of unet, "
        + "segnet-basic, segnet, fcn, mask-rcnn, stars; received 'vgg' "
        + "(see atelier segment train --help)"),
    MistakeCase(
      "segment train --network mask-rcnn --data shapes --loss ce --width 4 --patience 2 --run r",
      64,
      "atelier: mask-rcnn does not have --width, --loss, --patience; "
        + "see atelier segment train-objects --help"),
    MistakeCase(
      "segment train --network mask-rcnn --data shapes --crop 64x32 --steps 1 --run r", 64,
      "atelier: mask-rcnn takes square crops; received --crop 32x64"),
    MistakeCase(
      "segment train --network mask-rcnn --data none --steps 1 --run r", 66,
      "atelier: none: no such file or folder"),
    MistakeCase(
      "segment evaluate --baseline watershed --data shapes --picture c.png", 64,
      "atelier: --picture draws which classes of pixels are mixed up; this is about objects"),
    MistakeCase(
      "segment train --network mask-rcnn --data shapes --run r", 64,
      "atelier: a training needs a limit: give --steps or --minutes"),
    MistakeCase(
      "segment train --network unet --data shapes --validation sub --steps 1 --run r", 64,
      "atelier: scenes are validated on scenes: leave out --validation"),
    MistakeCase(
      "segment good.png --model segment-nothing -o out", 66,
      "atelier: segment-nothing: no such file or folder"),
    MistakeCase(
      "segment train --network unet --steps 1 --run r", 64,
      "atelier: a training needs pictures and masks: give --data"),
    MistakeCase(
      "segment train --network unet --data empty --run r", 64,
      "atelier: a training needs a limit: give --steps or --minutes"),
    MistakeCase(
      "segment train --network unet --data none --steps 1 --run r", 66,
      "atelier: none: no such file or folder"),
    MistakeCase(
      "segment train --network unet --data empty --steps 1 --run r", 65,
      "atelier: empty: expected train and trainannot, train/images and train/masks, or images "
        + "and masks; there are none of these folders"),
    MistakeCase(
      "segment train --network fcn --levels 3 --data empty --steps 1 --run r", 64,
      "atelier: --levels is for unet alone"),
    MistakeCase(
      "segment train --network unet --unpool max --data empty --steps 1 --run r", 64,
      "atelier: --unpool is for segnet-basic and segnet alone"),
    MistakeCase(
      "segment train --network unet --loss ce+hinge --data empty --steps 1 --run r", 64,
      "atelier: The value 'ce+hinge' is invalid for '--loss <loss>': expected ce, focal:GAMMA, "
        + "dice or a sum such as ce+0.5*dice; received 'ce+hinge' "
        + "(see atelier segment train --help)"),
    MistakeCase(
      "segment good.png --model bad.safetensors -o out", 65,
      "atelier: bad.safetensors at byte 0: expected at least 8 bytes, received 5"),
    MistakeCase(
      "segment good.png --model bad.safetensors -o out --write mask", 64,
      "atelier: The value 'mask' is invalid for '--write <forms>': expected forms with commas "
        + "out of label, color, overlay, boxes, confidence, instances, objects, coco, csv, svg, "
        + "labelme, yolo, voc; "
        + "received 'mask' "
        + "(see atelier segment run --help)"),
    MistakeCase(
      "segment evaluate --model bad.safetensors --data empty --part half", 64,
      "atelier: The value 'half' is invalid for '--part <part>': expected one of train, val, "
        + "test; received 'half' (see atelier segment evaluate --help)"),
    MistakeCase(
      "filter good.png -o out.png", 64,
      "atelier: Missing expected argument '--kernel <kernel> ...' (see atelier filter --help)"),
    MistakeCase(
      "filter good.png -o out.png --kernel blurr", 64,
      "atelier: the kernel blurr: expected blur, gaussian:SIGMA, sharpen, emboss, laplacian, "
        + "sobel-x, sobel-y, edges, a file, or rows of numbers, received none of them"),
    MistakeCase(
      "filter good.png -o out.png --kernel 1,2;3", 64,
      "atelier: the kernel 1,2;3: expected rows of equally many numbers, such as "
        + "0,1,0;1,-4,1;0,1,0, received 1 in row 2 after 2"),
    MistakeCase(
      "filter good.png -o out.png --kernel blur --detect --scale 2", 64,
      "atelier: --detect shows responses as they are; leave out --scale (see atelier filter "
        + "--help)"),
    MistakeCase(
      "filter bad.safetensors -o out.png --kernel blur", 65, "atelier: bad.safetensors: "),
    MistakeCase(
      "classify train --data empty --network linear --bagging --run r", 64,
      "atelier: --bagging is for --ensemble (see atelier classify train --help)"),
    MistakeCase(
      "classify train --data empty --network linear --cell 4 --run r", 64,
      "atelier: --cell is for --features hog (see atelier classify train --help)"),
    MistakeCase(
      "classify train --data empty --from x --ensemble 2 --run r", 64,
      "atelier: --ensemble trains networks from scratch; leave out --from (see atelier classify "
        + "train --help)"),
    MistakeCase(
      "course text", 64,
      "atelier: name a text to learn, or give --model (see atelier course text --help)"),
    MistakeCase(
      "course text bad.safetensors -o out", 65,
      "atelier: expected a text of more than 1300 characters, received 5"),
    MistakeCase(
      "course text --model bad.safetensors --units 4", 64,
      "atelier: --model writes and learns nothing; leave out --units (see atelier course text "
        + "--help)"),
    MistakeCase(
      "course play --game chess -o out", 64,
      "atelier: The value 'chess' is invalid for '--game <name>': expected catch or maze; "
        + "received 'chess' (see atelier course play --help)"),
    MistakeCase("course rivals --data none", 66, "atelier: none: no such file or folder"),
    MistakeCase(
      "samples -o good.png/below", 73, "atelier: good.png/below: cannot be written: "),
  ]
}

/// The classifying networks, as messages list them.
private let classifierNames =
  "lenet, lenet-5, course, strided, thresholds, dbn, resnet-20, resnet-56, alexnet, vgg16, "
  + "vgg16-bn, googlenet, resnet-18, resnet-50, mobilenet-v2, efficientnet-lite0, "
  + "efficientnet-lite0-timm, linear, shallow, lstm, gru"

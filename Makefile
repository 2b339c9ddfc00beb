# One command each: demo, test, build. The rest is what they are made of.

SWIFT ?= swift
PYTHON ?= python3
OUT ?= out
# Where `make install` puts the tool; DESTDIR stands before it while a package is made.
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: demo test sanitize arm fuzz faults build install studio studio-build studio-test docs setup lint format bench compare clean

## Denoise the sample pictures with the models that ship, and print PSNR before and after; swap the two fictional people;
## fool a classifier of clothes with drawn noise, and try the same noise on a hardened one; find shapes, by their pixels and
## one by one, and print how that agrees with the truth.
demo: build
	@.build/release/atelier denoise Samples/noisy -o $(OUT)/demo --clean Samples/clean --compare
	@.build/release/atelier swap run Samples/characters/maeve-*.png --to b \
	  --model Checkpoints/swap-characters.safetensors --boxes Samples/characters/boxes.csv \
	  --align box --color none --mask learned --feather 0.03 --compare -o $(OUT)/demo/swap
	@.build/release/atelier swap evaluate --model Checkpoints/swap-characters.safetensors \
	  --characters --poses 40 --frames 50 -o $(OUT)/demo/swap
	@for victim in classify-fashion classify-fashion-hard; do \
	  .build/release/atelier attack Samples/fashion --model Checkpoints/attack-fashion.safetensors \
	    --victim Checkpoints/$$victim.safetensors -o $(OUT)/demo/$$victim || exit 1; done
	@.build/release/atelier generate --model generate-fashion -o $(OUT)/demo/clothes.png --by-class --magnify 2
	@for model in segment-shapes objects-shapes; do \
	  .build/release/atelier segment Samples/shapes/images --model $$model -o $(OUT)/demo/$$model \
	    --write label,overlay,boxes,instances,coco,csv || exit 1; \
	  .build/release/atelier segment evaluate --model $$model --data Samples/shapes || exit 1; done
	@.build/release/atelier segment Samples/nuclei/images --model objects-nuclei -o $(OUT)/demo/nuclei \
	  --write overlay,instances,csv
	@.build/release/atelier segment evaluate --model objects-nuclei --data Samples/nuclei --part test

## Build and run every test, optimised: unoptimised kernels are too slow to loop over.
test: setup
	$(SWIFT) build -c release --build-tests
	$(SWIFT) test -c release --skip-build

## Run the tests of kernels and codecs with memory and undefined behaviour watched. A package of its own:
## the sanitized code shares nothing with other builds. Without XCTest, which has no test here and leaks.
sanitize: setup
	UBSAN_OPTIONS=print_stacktrace=1 \
	  $(SWIFT) test --package-path Tests/Sanitizers --scratch-path .build/sanitizers -c release \
	  --sanitize address --disable-xctest
	SWIFT=$(SWIFT) sh Tests/Sanitizers/races.sh

## Run every kernel as an ARM CPU would, under qemu, against the kernels of x86 (apt-get install qemu-user
## libc6-dev-arm64-cross libgcc-12-dev-arm64-cross lld).
arm:
	sh Tests/Arm/run.sh .build/arm

## Fuzz every reader of files for MINUTES in all; without MINUTES read the committed inputs once.
fuzz: setup
	SWIFT=$(SWIFT) sh Tests/Fuzz/run.sh $(if $(MINUTES),$(MINUTES),--seeds)

## Disturb trainings and commands: fail each of their calls, kill them, take power and memory away, and watch a long
## training. Hours on two cores; .ci/run has the short form.
faults: build
	$(PYTHON) Tests/Faults/inject.py .build/release/atelier --all
	$(PYTHON) Tests/Faults/kill.py .build/release/atelier --kills 1000
	$(PYTHON) Tests/Faults/power.py .build/release/atelier
	$(PYTHON) Tests/Faults/memory.py .build/release/atelier
	$(PYTHON) Tests/Faults/stored.py .build/release/atelier
	$(PYTHON) Tests/Faults/soak.py .build/release/atelier

## Build the command line.
build: setup
	$(SWIFT) build -c release --product atelier
	@git describe --always --dirty --abbrev=12 > .build/release/atelier.commit 2>/dev/null || rm -f .build/release/atelier.commit

## Build the web studio, start it on this machine and print its address; OPTIONS are its own, such as --port 8900. It needs
## Swift 6.2. Its first build fetches and compiles an HTTP server: minutes, once.
studio: studio-build
	@.build/release/atelier-studio $(OPTIONS)

studio-build: build
	@ATELIER_STUDIO=1 sh Scripts/setup.sh
	ATELIER_STUDIO=1 $(SWIFT) build -c release --product atelier-studio

## Test the web studio: its server, and its page in a real browser.
studio-test: studio-build
	ATELIER_STUDIO=1 $(SWIFT) build -c release --build-tests
	ATELIER_STUDIO=1 $(SWIFT) test -c release --skip-build --filter WebTests
	sh Tests/Browser/run.sh .build/release/atelier-studio .build/release/atelier

## Put the tool, the models that ship, manual pages and completions below PREFIX.
install: build
	sh Scripts/install.sh .build/release "$(DESTDIR)$(PREFIX)"

## Build the documentation of every library module, with each warning an error.
docs:
	sh Scripts/docs.sh $(OUT)/docs

## Install the C libraries that are missing.
setup:
	@sh Scripts/setup.sh

## Check the format of every Swift file.
lint:
	$(SWIFT) format lint --strict --recursive Sources Tests Package.swift

## Put every Swift file into the house's format.
format:
	$(SWIFT) format --in-place --recursive Sources Tests Package.swift

## Time the workloads on this machine.
bench: build
	.build/release/atelier bench --threads 2

## Time the workloads against PyTorch; PYTHON is one that has torch.
compare: build
	$(PYTHON) Benchmarks/compare.py --peer-python $(PYTHON)

clean:
	rm -rf .build $(OUT)

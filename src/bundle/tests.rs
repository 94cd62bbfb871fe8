use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::preprocess::{ChannelOrder, Filter, Layout, Resize};

/// A `bundle.toml` that has every key of an image bundle.
const FULL: &str = r#"
format = 1
name = "fashion"
task = "classification"
premodel = "premodel.json"
labels = "labels.txt"

[input]
kind = "image"

[samples]
images = "images.gz"
labels = "labels.gz"

[[candidate]]
name = "nano"
onnx = "nano.onnx"
plan = "nano.plan"
precision = "fp16"
input = "input"
output = "logits"
scores = "probabilities"
size = [28, 30]
channels = 1
order = "bgr"
layout = "nhwc"
resize = "crop"
crop = 0.5
filter = "bilinear"
mean = [0.286]
std = [0.353]
cost_ns = 12345

[[candidate]]
name = "large"
onnx = "large.onnx"
size = [28, 28]
"#;

const MINIMAL: &str = r#"
format = 1
name = "fashion"
[[candidate]]
name = "nano"
onnx = "nano.onnx"
size = [28, 28]
"#;

const TENSOR: &str = r#"
format = 1
name = "sensor"
[input]
kind = "tensor"
shape = [1, 16]
[samples]
list = "rows.csv"
[[candidate]]
name = "nano"
plan = "nano.plan"
"#;

fn folder(text: &str, files: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), text).unwrap();
    for file in files {
        fs::write(dir.path().join(file), "a\nb\n").unwrap();
    }
    dir
}

const FULL_FILES: &[&str] = &["premodel.json", "labels.txt", "images.gz", "labels.gz", "nano.onnx", "large.onnx"];

#[test]
fn every_key_is_read() {
    let dir = folder(FULL, FULL_FILES);
    let bundle = Bundle::read(dir.path()).unwrap();
    let at = |name: &str| dir.path().join(name);
    assert_eq!(bundle.name, "fashion");
    assert_eq!(bundle.task, Task::Classification);
    assert_eq!(bundle.input, InputKind::Image);
    assert_eq!(bundle.premodel, Some(at("premodel.json")));
    assert_eq!(bundle.labels, ["a", "b"]);
    assert_eq!(bundle.samples, Some(SampleSource::Idx { images: at("images.gz"), labels: Some(at("labels.gz")) }));
    assert_eq!(bundle.candidate("large"), Some(1));
    assert_eq!(bundle.candidate("huge"), None);
    assert_eq!(
        bundle.candidates[0],
        CandidateSpec {
            name: "nano".into(),
            onnx: Some(at("nano.onnx")),
            plan: Some(at("nano.plan")),
            precision: Precision::Fp16,
            input: Some("input".into()),
            output: Some("logits".into()),
            scores: Scores::Probabilities,
            image: Some(PreprocessConfig {
                width: 28,
                height: 30,
                channels: 1,
                order: ChannelOrder::Bgr,
                layout: Layout::Nhwc,
                resize: Resize::ShorterSideCrop { fraction: 0.5 },
                filter: Filter::Bilinear,
                mean: vec![0.286],
                std: vec![0.353],
            }),
            cost_ns: Some(12345.0),
        }
    );
}

#[test]
fn defaults_are_those_of_the_table() {
    let dir = folder(MINIMAL, &["nano.onnx"]);
    let bundle = Bundle::read(dir.path()).unwrap();
    assert_eq!((bundle.premodel, bundle.labels_file, bundle.samples), (None, None, None));
    assert!(bundle.labels.is_empty());
    assert_eq!(
        bundle.candidates[0],
        CandidateSpec {
            name: "nano".into(),
            onnx: Some(dir.path().join("nano.onnx")),
            plan: None,
            precision: Precision::Fp32,
            input: None,
            output: None,
            scores: Scores::Logits,
            image: Some(PreprocessConfig {
                width: 28,
                height: 28,
                channels: 3,
                order: ChannelOrder::Rgb,
                layout: Layout::Nchw,
                resize: Resize::Stretch,
                filter: Filter::Bicubic,
                mean: vec![0.0; 3],
                std: vec![1.0; 3],
            }),
            cost_ns: None,
        }
    );
    let cropped = MINIMAL.to_owned() + "resize = \"crop\"\n";
    let bundle = Bundle::parse(Path::new("b"), &cropped).unwrap();
    assert_eq!(bundle.candidates[0].image.as_ref().unwrap().resize, Resize::ShorterSideCrop { fraction: 0.875 });
}

#[test]
fn tensor_bundle_has_a_shape_and_no_preprocessing() {
    let dir = folder(TENSOR, &["nano.plan", "rows.csv"]);
    let bundle = Bundle::read(dir.path()).unwrap();
    assert_eq!(bundle.input, InputKind::Tensor { shape: vec![1, 16] });
    assert_eq!(bundle.input.tensor_len(), Some(16));
    assert_eq!(bundle.samples, Some(SampleSource::Table { table: dir.path().join("rows.csv") }));
    assert_eq!(bundle.candidates[0].image, None);
}

#[test]
fn lists_have_a_root() {
    let text = MINIMAL.replace("[[candidate]]", "[samples]\nlist = \"l.csv\"\nroot = \"/frames\"\n[[candidate]]");
    let parse = |text: &str| Bundle::parse(Path::new("b"), text).unwrap().samples.unwrap();
    assert_eq!(parse(&text), SampleSource::List { list: "b/l.csv".into(), root: "/frames".into() });
    let text = text.replace("root = \"/frames\"\n", "");
    assert_eq!(parse(&text), SampleSource::List { list: "b/l.csv".into(), root: "b".into() });
}

#[test]
fn bad_documents_are_named() {
    // What to replace in FULL, what to put in its place, and the error line that this must give.
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str)] = &[
        ("format = 1\n", "", "b/bundle.toml: expected the key `format`, got a table without it; write `format = 1`, or use the release that made this bundle"),
        ("format = 1\n", "format = 2\nfrobnicate = 1\n", "b/bundle.toml:2: `format`: expected 1, got 2; write `format = 1`, or"),
        ("format = 1\n", "format = \"1\"\n", "b/bundle.toml:2: `format`: expected 1, got \"1\"; write"),
        ("format = 1", "format 1", "b/bundle.toml:2: expected"),
        ("name = \"fashion\"\n", "", "b/bundle.toml: expected the key `name`, got a table without it; add the key"),
        ("name = \"fashion\"", "name = \"\"", "b/bundle.toml:3: `name`: expected a name, got an empty string; name the bundle"),
        ("name = \"fashion\"", "name = 3", "b/bundle.toml:3: `name`: expected a string, got integer `3`; correct the value"),
        ("name = \"fashion\"", "name = \"fashion", "b/bundle.toml:3: expected `\"`, got invalid basic string; correct the line"),
        ("name = \"fashion\"", "name = \"fashion\"\nname = \"f\"", "b/bundle.toml:4: expected valid TOML, got duplicate key; correct the line"),
        ("\"classification\"", "\"detection\"", "b/bundle.toml:4: `task`: expected \"classification\", got \"detection\"; correct the value"),
        ("premodel = \"premodel.json\"", "premodel = \"\"", "b/bundle.toml:5: `premodel`: expected a path, got an empty string; name a file, or remove the key"),
        ("labels = \"labels.txt\"", "labls = \"labels.txt\"", "b/bundle.toml:6: expected one of the keys `format`, `name`, `task`, `premodel`, `labels`, `input`, `samples`, `candidate`, got the key `labls`; correct or remove the key"),
        ("kind = \"image\"", "kind = \"audio\"", "b/bundle.toml:9: `[input] kind`: expected \"image\" or \"tensor\", got \"audio\"; correct the value"),
        ("kind = \"image\"", "shape = [1]", "b/bundle.toml:9: `[input] shape`: expected no such key with images, got the key; remove it; `size` says it"),
        ("kind = \"image\"", "kind = \"tensor\"", "b/bundle.toml:8: `[input] shape`: expected the input tensor's extents, got no such key; give the extents"),
        ("kind = \"image\"", "kind = \"tensor\"\nshape = [1, 0]", "b/bundle.toml:10: `[input] shape`: expected extents of at least 1 with a product of at most 1073741824, got [1, 0]; give the extents"),
        ("kind = \"image\"", "kind = \"tensor\"\nshape = []", "`[input] shape`: expected extents of at least 1"),
        ("kind = \"image\"", "kind = \"tensor\"\nshape = [9223372036854775807, 4]", "`[input] shape`: expected extents of at least 1"),
        ("kind = \"image\"", "kind = \"tensor\"\nshape = [4]", "b/bundle.toml:12: [samples]: expected the key list (tensors), got images, labels; name the samples in one of these ways"),
        ("[input]\nkind = \"image\"", "input = 3", "`input`: expected an [input] table, got integer `3`; correct the value"),
        ("images = \"images.gz\"\nlabels = \"labels.gz\"\n", "", "b/bundle.toml:11: [samples]: expected the keys images, labels or list, root, got none; name the samples"),
        ("labels = \"labels.gz\"", "list = \"l.csv\"", "b/bundle.toml:11: [samples]: expected the keys images, labels or list, root, got images, list; name the samples"),
        ("images = \"images.gz\"\n", "", "[samples]: expected the keys images, labels or list, root, got labels; name the samples"),
        ("images = \"images.gz\"", "image = \"images.gz\"", "b/bundle.toml:12: `samples`: expected one of the keys `images`, `labels`, `list`, `root`, got the key `image`; correct or remove the key"),
        ("name = \"nano\"\n", "", "b/bundle.toml:15: `candidate`: expected the key `name`, got a table without it; add the key"),
        ("name = \"nano\"", "name = \"\"", "b/bundle.toml:16: `name` of a candidate: expected letters, digits, _ and - (at least one), and none of [\"feature\", \"signal\", \"agree\", \"features\", \"avg\"], got \"\"; rename the candidate"),
        ("name = \"nano\"", "name = \"signal\"", "and none of [\"feature\", \"signal\", \"agree\", \"features\", \"avg\"], got \"signal\""),
        ("name = \"nano\"", "name = \"na/no\"", "b/bundle.toml:16: `name` of a candidate: expected letters, digits, _ and - (at least one), and none of [\"feature\", \"signal\", \"agree\", \"features\", \"avg\"], got \"na/no\"; rename the candidate"),
        ("name = \"nano\"", "name = \"large\"", "b/bundle.toml:35: `name` of a candidate: expected unique names, got \"large\" a second time; give each candidate its own name"),
        ("onnx = \"nano.onnx\"\nplan = \"nano.plan\"\n", "", "b/bundle.toml:15: candidate \"nano\": expected `onnx` or `plan`, got neither; name the network's file"),
        ("onnx = \"nano.onnx\"", "onx = \"nano.onnx\"", "b/bundle.toml:17: `candidate`: expected one of the keys `name`, `onnx`, `plan`, `precision`, `input`, `output`, `scores`, `size`, `channels`, `order`, `layout`, `resize`, `crop`, `filter`, `mean`, `std`, `cost_ns`, got the key `onx`; correct or remove the key"),
        ("\"fp16\"", "\"fp8\"", "b/bundle.toml:19: `precision` of candidate \"nano\": expected \"fp32\" or \"fp16\" or \"int8\", got \"fp8\"; correct the value"),
        ("output = \"logits\"", "output = \"\"", "b/bundle.toml:21: `output` of candidate \"nano\": expected a tensor's name, got an empty string; name the IO tensor"),
        ("\"probabilities\"", "\"softmax\"", "b/bundle.toml:22: `scores` of candidate \"nano\": expected \"logits\" or \"probabilities\", got \"softmax\"; correct the value"),
        ("size = [28, 30]\n", "", "b/bundle.toml:15: `size` of candidate \"nano\": expected [width, height] in px, got no such key; give the size"),
        ("[28, 30]", "[28, 0]", "b/bundle.toml:23: `size` of candidate \"nano\": expected [width, height] with sides of 1 to 16384 px, got [28, 0]; give the size"),
        ("[28, 30]", "[28]", "`size` of candidate \"nano\": expected [width, height] with sides of 1 to 16384 px, got [28]; give"),
        ("[28, 30]", "[28, -1]", "got [28, -1]; give the size"),
        ("[28, 30]", "[28, 16385]", "got [28, 16385]; give the size"),
        ("[28, 30]", "[28, 1.5]", "b/bundle.toml:23: `candidate.size`: expected a whole number, got floating point `1.5`; correct the value"),
        ("[28, 30]", "28", "b/bundle.toml:23: `candidate.size`: expected a list, got integer `28`; correct the value"),
        ("channels = 1", "channels = 4", "b/bundle.toml:24: `channels` of candidate \"nano\": expected 1 (grey) or 3 (colour), got 4; correct the value"),
        ("channels = 1", "channels = 3", "b/bundle.toml:30: `mean` of candidate \"nano\": expected as many values as channels, 3, got 1; give one value a channel"),
        ("\"bgr\"", "\"grb\"", "b/bundle.toml:25: `order` of candidate \"nano\": expected \"rgb\" or \"bgr\", got \"grb\"; correct the value"),
        ("\"nhwc\"", "\"chw\"", "b/bundle.toml:26: `layout` of candidate \"nano\": expected \"nchw\" or \"nhwc\", got \"chw\"; correct the value"),
        ("resize = \"crop\"", "resize = \"pad\"", "b/bundle.toml:27: `resize` of candidate \"nano\": expected \"stretch\" or \"crop\", got \"pad\"; correct the value"),
        ("resize = \"crop\"\n", "", "b/bundle.toml:27: `crop` of candidate \"nano\": expected the key only with resize = \"crop\", got resize = \"stretch\"; set `resize = \"crop\"`, or remove `crop`"),
        ("crop = 0.5", "crop = 0", "b/bundle.toml:28: `crop` of candidate \"nano\": expected a number in [0.1, 1], got 0; give the part to keep, e.g. 0.875"),
        ("crop = 0.5", "crop = 1.01", "expected a number in [0.1, 1], got 1.01; give"),
        ("crop = 0.5", "crop = nan", "expected a number in [0.1, 1], got NaN; give"),
        ("crop = 0.5", "crop = -inf", "expected a number in [0.1, 1], got -inf; give"),
        ("\"bilinear\"", "\"lanczos\"", "b/bundle.toml:29: `filter` of candidate \"nano\": expected \"bicubic\" or \"bilinear\", got \"lanczos\"; correct the value"),
        ("[0.286]", "[nan]", "b/bundle.toml:30: `mean` of candidate \"nano\": expected finite numbers, got NaN; give the value"),
        ("[0.286]", "[1e39]", "`mean` of candidate \"nano\": expected finite numbers"),
        ("[0.353]", "[0]", "b/bundle.toml:31: `std` of candidate \"nano\": expected numbers above 0, got 0; give the value that the network was trained with"),
        ("[0.353]", "[-0.1]", "expected numbers above 0, got -0.1; give"),
        ("[0.353]", "[inf]", "expected numbers above 0, got inf; give"),
        ("[0.353]", "[1e-40]", "`std` of candidate \"nano\": expected numbers above 0"),
        ("[0.353]", "[0.3, 0.3]", "b/bundle.toml:31: `std` of candidate \"nano\": expected as many values as channels, 1, got 2; give one value a channel"),
        ("[0.353]", "[\"x\"]", "b/bundle.toml:31: `candidate.std`: expected a number, got string \"x\"; correct the value"),
        ("cost_ns = 12345", "cost_ns = 0", "b/bundle.toml:32: `cost_ns` of candidate \"nano\": expected a finite number above 0, got 0; measure it again, or remove the key"),
        ("cost_ns = 12345", "cost_ns = nan", "expected a finite number above 0, got NaN; measure"),
        ("[[candidate]]\nname = \"large\"", "[candidate.more]\nname = \"large\"", "b/bundle.toml:34: `candidate`: expected one of the keys"),
    ];
    let mut failed = Vec::new();
    for (from, to, wanted) in cases {
        assert!(FULL.contains(from), "{from}");
        let error = Bundle::parse(Path::new("b"), &FULL.replacen(from, to, 1)).unwrap_err();
        let line = error.to_string();
        if !line.contains(wanted) {
            failed.push(format!("{to}\n got: {line}\nwant: {wanted}"));
        }
        assert_eq!(error.kind(), ErrorKind::Bundle, "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn candidates_are_counted() {
    let head = "format = 1\nname = \"b\"\n";
    let many = |n: usize| {
        let table = |i| format!("[[candidate]]\nname = \"c{i}\"\nonnx = \"c.onnx\"\nsize = [1, 1]\n");
        head.to_owned() + &(0..n).map(table).collect::<String>()
    };
    let parse = |text: &str| Bundle::parse(Path::new("b"), text);
    assert_eq!(parse(&many(16)).unwrap().candidates.len(), 16);
    for (text, wanted) in [
        (many(0), "b/bundle.toml: expected at least 1 candidate, got none; add a [[candidate]] table"),
        (many(17), "b/bundle.toml:67: [[candidate]]: expected at most 16 candidates, got 17; remove some"),
        (
            head.to_owned() + "[candidate]\nname = \"a\"\n",
            "b/bundle.toml:3: `candidate`: expected a list, got map; correct the value",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert_eq!(error.kind(), ErrorKind::Bundle);
    }
}

#[test]
fn preprocessing_of_tensors_is_refused() {
    for key in [
        "size = [1, 1]",
        "channels = 1",
        "order = \"rgb\"",
        "layout = \"nchw\"",
        "resize = \"stretch\"",
        "crop = 1.0",
        "filter = \"bilinear\"",
        "mean = [0.0]",
        "std = [1.0]",
    ] {
        let error = Bundle::parse(Path::new("b"), &format!("{TENSOR}{key}\n")).unwrap_err().to_string();
        let name = key.split(' ').next().unwrap();
        let wanted = format!(
            "b/bundle.toml:12: `{name}` of candidate \"nano\": expected no preprocessing with tensor inputs, got the key; remove it"
        );
        assert!(error.contains(&wanted), "{error}");
    }
}

fn plan_path(dir: &Path, text: &str) -> PathBuf {
    let bundle = Bundle::parse(dir, text).unwrap();
    bundle.candidates[0].plan_path(&bundle)
}

#[test]
fn files_that_are_named_must_be_there() {
    for (absent, wanted) in [
        ("premodel.json", "bundle.toml:5: `premodel`: expected a file, got none at "),
        ("labels.txt", "bundle.toml:6: `labels`: expected a file, got none at "),
        ("images.gz", "bundle.toml:12: `[samples] images`: expected a file, got none at "),
        ("labels.gz", "bundle.toml:13: `[samples] labels`: expected a file, got none at "),
        ("nano.onnx", "bundle.toml:17: `onnx` of candidate \"nano\": expected a file, got none at "),
        ("large.onnx", "bundle.toml:36: `onnx` of candidate \"large\": expected a file, got none at "),
    ] {
        let files: Vec<&str> = FULL_FILES.iter().copied().filter(|&file| file != absent).collect();
        let dir = folder(FULL, &files);
        let error = Bundle::read(dir.path()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert!(error.to_string().contains(absent), "{error}");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(Bundle::read_untrained(dir.path()).is_ok(), absent == "premodel.json");
    }
    // A candidate whose plan is there needs no ONNX file, and the other way round.
    let files: Vec<&str> = FULL_FILES.iter().map(|&f| if f == "nano.onnx" { "nano.plan" } else { f }).collect();
    assert!(Bundle::read(folder(FULL, &files).path()).is_ok());
    // The same holds for a plan with the candidate's name, where the bundle names no plan.
    let dir = folder(MINIMAL, &["nano.plan"]);
    assert_eq!(plan_path(dir.path(), MINIMAL), dir.path().join("nano.plan"));
    assert!(Bundle::read(dir.path()).is_ok());
    assert_eq!(plan_path(Path::new("b"), &FULL.replacen("nano.plan", "sub/x.plan", 1)), Path::new("b/sub/x.plan"));

    let error = Bundle::read(folder(TENSOR, &["rows.csv"]).path()).unwrap_err().to_string();
    assert!(error.contains("`plan` of candidate \"nano\": expected a file, got none at "), "{error}");
    assert!(error.ends_with("; build it on this machine from its ONNX file, or give `onnx`"), "{error}");
}

#[test]
fn no_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for (path, got) in [
        (dir.path().join("nowhere"), "no such folder"),
        (file, "a file"),
        (dir.path().to_path_buf(), "a folder without bundle.toml"),
    ] {
        let error = Bundle::read(&path).unwrap_err();
        let wanted = format!(
            "{}: expected a bundle (a folder with a bundle.toml), got {got}; name the folder of a bundle",
            path.display()
        );
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Io, wanted));
    }
}

#[test]
fn text_is_utf8() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), b"format = 1\nname = \"\xff\"\n").unwrap();
    let error = Bundle::read(dir.path()).unwrap_err();
    assert!(error.to_string().ends_with("bundle.toml:2: expected UTF-8 text, got byte 0xff; save the file as UTF-8"));
    assert_eq!(error.kind(), ErrorKind::Bundle);
    // Some editors begin a file with a byte order mark.
    let dir = folder(&format!("\u{feff}{MINIMAL}"), &["nano.onnx"]);
    assert!(Bundle::read(dir.path()).is_ok());
}

#[test]
fn labels_are_lines() {
    let text = MINIMAL.replace("name = \"fashion\"", "name = \"fashion\"\nlabels = \"labels.txt\"");
    let read = |labels: &[u8]| {
        let dir = folder(&text, &["nano.onnx"]);
        fs::write(dir.path().join("labels.txt"), labels).unwrap();
        Bundle::read(dir.path())
    };
    let bundle = read(b"T-shirt/top\r\n Trouser\nPullover\n\n\n").unwrap();
    assert_eq!(bundle.labels, ["T-shirt/top", "Trouser", "Pullover"]);
    assert!(bundle.check_labels(3).is_ok());
    let error = bundle.check_labels(10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Bundle);
    assert!(error.to_string().ends_with(
        "labels.txt: expected 10 class names, as many as the networks' classes, got 3; give one name a line, in the order of the networks' outputs"
    ));
    for (labels, wanted) in [
        (&b""[..], "labels.txt: expected class names, got an empty file; give one name a line"),
        (b" \n\n", "labels.txt: expected class names, got an empty file; give one name a line"),
        (b"a\n\nb\n", "labels.txt:2: expected a class name, got an empty line; give one name a line"),
        (b"a\nb\xc3\n", "labels.txt:2: expected UTF-8 text, got byte 0xc3; save the file as UTF-8"),
    ] {
        let error = read(labels).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert_eq!(error.kind(), ErrorKind::Bundle);
    }
    assert!(Bundle::parse(Path::new("b"), MINIMAL).unwrap().check_labels(10).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever bytes of the file are changed, reading it gives either a bundle that keeps its promises or an error of one line.
    #[test]
    fn mutations_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..8, ".{0,3}"), 1..6),
        tensor in any::<bool>(),
    ) {
        let mut text: Vec<char> = if tensor { TENSOR } else { FULL }.chars().collect();
        for (at, removed, added) in edits {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, added.chars());
            if text.is_empty() {
                text.push('\n');
            }
        }
        let text: String = text.into_iter().collect();
        match Bundle::parse(Path::new("b"), &text) {
            Err(error) => {
                let line = error.to_string();
                prop_assert!(!line.chars().any(char::is_control), "{}", line);
                prop_assert!(line.contains(": expected ") && line.contains(", got ") && line.contains("; "), "{}", line);
            }
            Ok(bundle) => {
                prop_assert!((1..=16).contains(&bundle.candidates.len()));
                for candidate in &bundle.candidates {
                    prop_assert!(candidate.onnx.is_some() || candidate.plan.is_some());
                    prop_assert_eq!(candidate.image.is_some(), bundle.input == InputKind::Image);
                    if let Some(image) = &candidate.image {
                        prop_assert!(image.width > 0 && image.height > 0);
                        prop_assert_eq!(image.mean.len(), image.channels as usize);
                        prop_assert!(image.std.iter().all(|std| (1.0 / std).is_finite()));
                    }
                }
            }
        }
    }
}

//! Plans and sidecars: what is taken, and that nothing damaged, foreign or changed is.
#![cfg(feature = "tensorrt")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use trt_select_base::random::Rng;
use trt_select_engines::tensorrt::plan::{self, HEADER_BYTES, Here, Notice, PlanFile, PlanHeader, check, sha256};
use trt_select_engines::tensorrt::sidecar::{self, Built, Sidecar, Verified};
use trt_select_engines::tensorrt::weights::Weights;
use trt_select_engines::tensorrt::{Edition, Version};
use trt_select_engines::{Error, ErrorKind, Precision};

const RTX: Version = Version { major: 1, minor: 7, patch: 1, build: 116 };
const TEN: Version = Version { major: 10, minor: 3, patch: 0, build: 26 };
const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models");

fn bytes_of(version: Version) -> [u8; 4] {
    [version.major, version.minor, version.patch, version.build].map(|n| n as u8)
}

/// A plan with the header that TensorRT-RTX writes, for 8.0, and a body that only a real library could judge.
fn rtx_plan(version: Version) -> Vec<u8> {
    let mut random = Rng::new(7);
    let mut plan: Vec<u8> = (0..5_000).map(|_| random.below(256) as u8).collect();
    plan[..64].fill(0);
    plan[..4].copy_from_slice(b"vtrt");
    plan[8] = 2;
    plan[16..24].copy_from_slice(&5_000_u64.to_le_bytes());
    plan[24..28].copy_from_slice(&bytes_of(version));
    plan[28..32].copy_from_slice(b"vtrt");
    plan[32] = 2;
    plan
}

fn enterprise_plan(version: Version) -> Vec<u8> {
    let mut plan = vec![0x5a; 3_000];
    plan[..4].copy_from_slice(b"ftrt");
    plan[4..8].fill(0);
    plan[24..28].copy_from_slice(&bytes_of(version));
    plan
}

fn old_plan(serialization: u32) -> Vec<u8> {
    let mut plan = vec![0; 2_000];
    plan[..4].copy_from_slice(b"ptrt");
    plan[8..12].copy_from_slice(&serialization.to_le_bytes());
    plan
}

fn here(edition: Edition, version: Version) -> Here {
    let library_path = PathBuf::from("/opt/lib/libnvinfer-of-test.so");
    Here { edition, version, lean: false, compute_capability: Some((8, 0)), library_path }
}

/// A folder with a model, a plan and its sidecar.
struct Place {
    dir: TempDir,
    plan: PathBuf,
    onnx: PathBuf,
}

impl Place {
    fn new(bytes: &[u8], edition: Edition, version: Version) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let (plan, onnx) = (dir.path().join("net.plan"), dir.path().join("net.onnx"));
        fs::write(&onnx, "a model").unwrap();
        let built = Built {
            edition,
            version,
            compute_capabilities: vec![(8, 0)],
            precision: Precision::Fp32,
            version_compatible: false,
            onnx: &onnx,
            onnx_sha256: sha256(b"a model"),
            built_at: "2026-11-21T10:30:43Z".to_owned(),
            took: Duration::from_millis(1_234),
        };
        sidecar::write(&plan, bytes, &Sidecar::new(bytes, &built).unwrap()).unwrap();
        Place { dir, plan, onnx }
    }

    fn rtx() -> Place {
        Place::new(&rtx_plan(RTX), Edition::Rtx, RTX)
    }

    fn sidecar(&self) -> PathBuf {
        sidecar::path_of(&self.plan)
    }

    /// All that is done before TensorRT sees a plan.
    fn look(&self, here: &Here) -> Result<Vec<Notice>, Error> {
        let plan = PlanFile::open(&self.plan)?;
        let sidecar = Sidecar::read(&self.plan)?;
        check(&plan, sidecar.as_ref(), here, Some(&self.onnx))
    }
}

/// A damaged plan's line: see [`refused_as`].
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, parts: &[&str]) -> Error {
    refused_as(ErrorKind::Plan, result, parts)
}

/// The line of a plan that is whole, but for another library, GPU or model: see [`refused_as`].
#[track_caller]
fn mismatch<T: std::fmt::Debug>(result: Result<T, Error>, parts: &[&str]) -> Error {
    refused_as(ErrorKind::PlanMismatch, result, parts)
}

/// One line of the kind that names the plan (or its sidecar), what was expected and got, and a remedy.
#[track_caller]
fn refused_as<T: std::fmt::Debug>(kind: ErrorKind, result: Result<T, Error>, parts: &[&str]) -> Error {
    let error = result.expect_err("to be refused");
    let line = error.to_string();
    assert_eq!(error.kind(), kind, "{line}");
    assert!(!line.contains('\n') && line.contains("net.plan") && line.contains("; "), "{line}");
    assert!(line.contains(": expected ") && line.contains(", got "), "{line}");
    for part in parts {
        assert!(line.contains(part), "expected '{part}' in: {line}");
    }
    error
}

#[test]
fn what_build_wrote_is_taken() {
    let place = Place::rtx();
    assert_eq!(place.look(&here(Edition::Rtx, RTX)), Ok(vec![]));
    let plan = PlanFile::open(&place.plan).unwrap();
    let bytes = rtx_plan(RTX);
    assert_eq!(plan.bytes(), bytes);
    assert_eq!(plan.sha256().unwrap(), sha256(&bytes));
    let mut block = vec![0; bytes.len()];
    plan.read_into(&mut block).unwrap();
    assert_eq!(block, bytes);
    refused(plan.read_into(&mut block[1..]), &["a block of 5000 bytes, got 4999"]);
    let sidecar = Sidecar::read(&place.plan).unwrap().unwrap();
    assert_eq!((sidecar.version, sidecar.edition, sidecar.precision), (RTX, Edition::Rtx, Precision::Fp32));
    assert_eq!((sidecar.onnx.as_str(), sidecar.build_seconds, sidecar.size_bytes), ("net.onnx", 1.234, 5_000));
    assert_eq!(sidecar.text().as_bytes(), fs::read(place.sidecar()).unwrap());
    // The model need not be there.
    fs::remove_file(&place.onnx).unwrap();
    assert_eq!(place.look(&here(Edition::Rtx, RTX)), Ok(vec![]));
    // Nothing but model, plan and sidecar is left in the folder.
    assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 2);
    let place = Place::new(&enterprise_plan(TEN), Edition::Enterprise, TEN);
    assert_eq!(place.look(&here(Edition::Enterprise, TEN)), Ok(vec![]));
}

#[test]
fn without_a_sidecar_the_header_is_checked_and_said_so() {
    let place = Place::rtx();
    fs::remove_file(place.sidecar()).unwrap();
    let notices = place.look(&here(Edition::Rtx, RTX)).unwrap();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].to_string().contains("net.plan: no sidecar beside it"), "{}", notices[0]);
    mismatch(place.look(&here(Edition::Enterprise, TEN)), &["TensorRT 10.3.0.26", "TensorRT-RTX 1.7.1.116"]);
}

#[test]
fn another_product_version_or_gpu_is_refused_by_name() {
    let place = Place::rtx();
    let library = "/opt/lib/libnvinfer-of-test.so";
    let of = |edition, major, minor, patch, build| here(edition, Version { major, minor, patch, build });
    let remedy = "build it with this library";
    mismatch(place.look(&of(Edition::Enterprise, 11, 4, 0, 106)), &["TensorRT 11.4.0.106", library, remedy]);
    for older_or_newer in [
        of(Edition::Rtx, 1, 6, 1, 120),
        of(Edition::Rtx, 1, 8, 0, 1),
        of(Edition::Rtx, 1, 7, 1, 115),
        of(Edition::Rtx, 2, 7, 1, 116),
    ] {
        let theirs = older_or_newer.version.to_string();
        mismatch(place.look(&older_or_newer), &["1.7.1.116", &theirs, library, remedy]);
    }
    // A library that does not tell its build number is held to the other three.
    assert_eq!(place.look(&of(Edition::Rtx, 1, 7, 1, 0)), Ok(vec![]));
    mismatch(place.look(&of(Edition::Rtx, 1, 7, 0, 0)), &["1.7.1.116"]);
    for gpu in [(9, 0), (8, 6), (7, 5), (12, 0)] {
        let other = Here { compute_capability: Some(gpu), ..here(Edition::Rtx, RTX) };
        let name = format!("{}.{}", gpu.0, gpu.1);
        mismatch(place.look(&other), &["compute capability", &name, "8.0", "build it on this machine"]);
    }
    let unknown = Here { compute_capability: None, ..here(Edition::Rtx, RTX) };
    assert_eq!(place.look(&unknown), Ok(vec![]));
    // In a TensorRT plan the sidecar alone tells the GPU.
    let place = Place::new(&enterprise_plan(TEN), Edition::Enterprise, TEN);
    let other = Here { compute_capability: Some((8, 7)), ..here(Edition::Enterprise, TEN) };
    mismatch(place.look(&other), &["8.7", "8.0"]);
    mismatch(place.look(&of(Edition::Enterprise, 10, 4, 0, 26)), &["10.3.0.26", "10.4.0.26"]);
    fs::remove_file(place.sidecar()).unwrap();
    assert_eq!(place.look(&other).map(|notices| notices.len()), Ok(1));
}

#[test]
fn lean_libraries_take_version_compatible_plans_of_their_major_version() {
    let place = Place::new(&enterprise_plan(TEN), Edition::Enterprise, TEN);
    let lean = |minor| {
        let version = Version { minor, ..TEN };
        Here { lean: true, ..here(Edition::Enterprise, version) }
    };
    // Ours are not built to be version-compatible, and their sidecars say so.
    mismatch(place.look(&lean(3)), &["TensorRT lean 10.3.0.26", "--version-compatible"]);
    let mut sidecar = Sidecar::read(&place.plan).unwrap().unwrap();
    sidecar.version_compatible = true;
    fs::write(place.sidecar(), sidecar.text()).unwrap();
    for (library, notices) in [
        (lean(3), 0),
        (lean(9), 0),
        (here(Edition::Enterprise, TEN), 0),
        (here(Edition::Enterprise, Version { minor: 9, ..TEN }), 1),
    ] {
        assert_eq!(place.look(&library).map(|n| n.len()), Ok(notices), "{library:?}");
    }
    let newer = here(Edition::Enterprise, Version { minor: 2, ..TEN });
    mismatch(place.look(&newer), &["10.2.0.26"]);
    mismatch(place.look(&Here { lean: true, ..newer }), &["10.2.0.26"]);
    let other_major = here(Edition::Enterprise, Version { major: 11, ..TEN });
    mismatch(place.look(&other_major), &["11.3.0.26"]);
    mismatch(place.look(&Here { lean: true, ..other_major }), &["11.3.0.26"]);
    // Without a sidecar nobody knows: it is taken, and said.
    fs::remove_file(place.sidecar()).unwrap();
    let notices = place.look(&lean(9)).unwrap();
    assert!(notices.iter().any(|n| n.to_string().contains("only if it was built to be version-compatible")));
    mismatch(place.look(&lean(2)), &["10.2.0.26"]);
}

#[test]
fn ten_takes_version_compatible_plans_of_8_6() {
    let eight = Version { major: 8, minor: 6, patch: 0, build: 12 };
    let place = Place::new(&enterprise_plan(eight), Edition::Enterprise, eight);
    let with = |version, lean| Here { lean, ..here(Edition::Enterprise, version) };
    mismatch(place.look(&with(TEN, false)), &["8.6.0.12", "10.3.0.26"]);
    let mut sidecar = Sidecar::read(&place.plan).unwrap().unwrap();
    sidecar.version_compatible = true;
    fs::write(place.sidecar(), sidecar.text()).unwrap();
    assert_eq!(place.look(&with(TEN, false)).map(|n| n.len()), Ok(1));
    assert_eq!(place.look(&with(TEN, true)).map(|n| n.len()), Ok(0));
    for (major, minor) in [(11, 4), (8, 5), (9, 3)] {
        for lean in [false, true] {
            let other = Version { major, minor, patch: 0, build: 0 };
            mismatch(place.look(&with(other, lean)), &["8.6.0.12", &format!("{major}.{minor}.0")]);
        }
    }
}

#[test]
fn plans_of_tensorrt_8_are_known_by_their_serialization_number() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.plan");
    let eight = |minor| here(Edition::Enterprise, Version { major: 8, minor, patch: 1, build: 8 });
    let look = |serialization, here: &Here| {
        fs::write(&path, old_plan(serialization)).unwrap();
        check(&PlanFile::open(&path).unwrap(), None, here, None)
    };
    for (serialization, minor) in [(205, 2), (213, 4), (232, 5)] {
        assert_eq!(look(serialization, &eight(minor)).map(|n| n.len()), Ok(1));
        for other in [2, 4, 5, 6] {
            if other != minor {
                let ours = format!("TensorRT 8.{minor} (serialization {serialization})");
                mismatch(look(serialization, &eight(other)), &[&ours, &format!("8.{other}.1.8")]);
            }
        }
        mismatch(look(serialization, &here(Edition::Enterprise, TEN)), &["10.3.0.26"]);
        mismatch(look(serialization, &here(Edition::Rtx, RTX)), &["TensorRT-RTX"]);
    }
    let notices = look(211, &eight(4)).unwrap();
    assert!(notices.iter().any(|n| n.to_string().contains("211 is not known")), "{notices:?}");
    mismatch(look(211, &here(Edition::Enterprise, TEN)), &["serialization 211"]);
}

#[test]
fn what_is_no_plan_is_said_to_be_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.plan");
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        PlanFile::open(&path)
    };
    refused(open(b""), &["an empty file"]);
    refused(open(b"abc"), &["begins with 61 62 63"]);
    refused(open(&[0; 100]), &["00 00 00 00"]);
    refused(open(&fs::read(format!("{MODELS}/identity.onnx")).unwrap()), &["looks like an ONNX model"]);
    refused(open(b"\x20\x01\0\0{\"description\": \"YOLO\"}ftrt"), &["Ultralytics"]);
    refused(open(b"version https://git-lfs.github.com/spec/v1\n"), &["git-lfs pointer"]);
    refused(open(b"trtf and more bytes, many of them"), &["74 72 74 66"]);
    let mut other = enterprise_plan(TEN);
    other[4] = 1;
    refused(open(&other), &["bytes 4-7", "0x1"]);
    refused(open(&enterprise_plan(Version { major: 0, ..TEN })), &["0.3.0.26"]);
    for (missing, part, kind) in [
        (dir.path().join("none.plan"), "no such file", ErrorKind::PlanMissing),
        (dir.path().to_path_buf(), "a folder", ErrorKind::Io),
    ] {
        let error = PlanFile::open(&missing).expect_err("refused");
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(part), "{error}");
    }
    #[cfg(unix)]
    assert_eq!(PlanFile::open(Path::new("/dev/zero")).expect_err("refused").kind(), ErrorKind::Io);
    // Only as much as there is of a file larger than any plan is looked at.
    let file = fs::File::create(&path).unwrap();
    if file.set_len(plan::MAX_PLAN_BYTES + 1).is_ok() {
        refused(PlanFile::open(&path), &["at most 64 GiB"]);
    }
}

#[test]
fn cut_short_at_a_hundred_places() {
    for (bytes, edition, version) in
        [(rtx_plan(RTX), Edition::Rtx, RTX), (enterprise_plan(TEN), Edition::Enterprise, TEN)]
    {
        let place = Place::new(&bytes, edition, version);
        let here = here(edition, version);
        let places: Vec<usize> =
            (0..70).chain((0..30).map(|i| 70 + i * (bytes.len() - 71) / 29)).filter(|&n| n < bytes.len()).collect();
        assert!(places.len() >= 100 && places.last() == Some(&(bytes.len() - 1)));
        for keep in places {
            fs::write(&place.plan, &bytes[..keep]).unwrap();
            refused(place.look(&here), &[]);
            // What the header tells holds without a sidecar, too.
            if edition == Edition::Rtx || keep < 28 {
                refused(PlanFile::open(&place.plan), &[]);
            }
        }
        // And with bytes too many.
        let mut longer = bytes.clone();
        longer.push(0);
        fs::write(&place.plan, &longer).unwrap();
        refused(place.look(&here), &[]);
    }
}

#[test]
fn a_thousand_bits_flipped_in_header_body_and_sidecar() {
    let mut random = Rng::new(42);
    for (bytes, edition, version) in
        [(rtx_plan(RTX), Edition::Rtx, RTX), (enterprise_plan(TEN), Edition::Enterprise, TEN)]
    {
        let place = Place::new(&bytes, edition, version);
        let here = here(edition, version);
        let text = fs::read(place.sidecar()).unwrap();
        for i in 0..1_000 {
            let (file, whole, from, to) = match i % 3 {
                0 => (&place.plan, &bytes, 0, HEADER_BYTES),
                1 => (&place.plan, &bytes, HEADER_BYTES, bytes.len()),
                _ => (&place.sidecar(), &text, 0, text.len()),
            };
            let (at, bit) = (from + random.below(to - from), random.below(8));
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            fs::write(file, &damaged).unwrap();
            refused(place.look(&here), &[]);
            fs::write(file, whole).unwrap();
        }
        assert_eq!(place.look(&here), Ok(vec![]));
    }
}

#[test]
fn every_bit_of_a_sidecar_counts() {
    let place = Place::rtx();
    let text = fs::read(place.sidecar()).unwrap();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut damaged = text.clone();
            damaged[at] ^= 1 << bit;
            assert!(Sidecar::parse(&place.sidecar(), &damaged).is_err(), "bit {bit} of byte {at}");
        }
        assert!(Sidecar::parse(&place.sidecar(), &text[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn header_bits_that_matter_are_refused_without_a_sidecar() {
    let place = Place::rtx();
    fs::remove_file(place.sidecar()).unwrap();
    let (bytes, here) = (rtx_plan(RTX), here(Edition::Rtx, RTX));
    // Magic, its companion, size, version, magic again.
    for at in (0..8).chain(16..32) {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            fs::write(&place.plan, &damaged).unwrap();
            let version = (24..28).contains(&at);
            refused_as(if version { ErrorKind::PlanMismatch } else { ErrorKind::Plan }, place.look(&here), &[]);
        }
    }
    // The GPU. No bit at all, or one that nobody knows, says nothing that can be held against the plan.
    for (mask, taken) in [(0b10, true), (0b110, true), (0b100, false), (0b11_1101, false), (0, true), (0x40, true)] {
        let mut other = bytes.clone();
        other[32] = mask;
        fs::write(&place.plan, &other).unwrap();
        assert_eq!(place.look(&here).is_ok(), taken, "mask {mask:#b}");
    }
}

#[test]
fn a_sidecar_that_lies_is_refused() {
    let place = Place::rtx();
    let here = here(Edition::Rtx, RTX);
    let honest = Sidecar::read(&place.plan).unwrap().unwrap();
    let lie = |change: &dyn Fn(&mut Sidecar)| {
        let mut sidecar = honest.clone();
        change(&mut sidecar);
        // Signed like an honest one.
        fs::write(place.sidecar(), sidecar.text()).unwrap();
        place.look(&here)
    };
    refused(lie(&|s| s.size_bytes += 1), &["5001 bytes", "net.plan.json", "build the plan again"]);
    refused(lie(&|s| s.edition = Edition::Enterprise), &["a plan of TensorRT 1.7.1.116"]);
    refused(lie(&|s| s.version.build = 117), &["1.7.1.117", "1.7.1.116"]);
    refused(lie(&|s| s.compute_capabilities = vec![(9, 0)]), &["[9.0]", "[8.0]"]);
    refused(lie(&|s| s.sha256 = sha256(b"other")), &["SHA-256"]);
    mismatch(lie(&|s| s.onnx_sha256 = sha256(b"other")), &["net.onnx as it is now"]);
    assert_eq!(lie(&|_| ()), Ok(vec![]));
}

#[test]
fn a_changed_model_asks_for_a_new_plan() {
    let place = Place::rtx();
    fs::write(&place.onnx, "another model").unwrap();
    mismatch(place.look(&here(Edition::Rtx, RTX)), &["net.onnx as it is now", "built from it as it was at 20"]);
}

#[test]
fn sidecars_of_another_form_are_refused() {
    let place = Place::rtx();
    let text = fs::read_to_string(place.sidecar()).unwrap();
    let parse = |text: &str| Sidecar::parse(&place.sidecar(), text.as_bytes());
    assert!(parse(&text).is_ok());
    refused(parse(&text.replace("\"format\": 1", "\"format\": 2")), &["format 1", "format 2"]);
    refused(parse("{\"format\": 7, \"new\": true}"), &["format 7"]);
    refused(parse(&text.replacen('{', "{\n  \"extra\": 1,", 1)), &["unknown field `extra`"]);
    refused(parse(&text.replace("fp32", "fp12")), &["`precision`", "\"fp12\""]);
    refused(parse(&text.replace("\"rtx\"", "\"gtx\"")), &["`edition`"]);
    refused(parse(&text.replace("1.7.1.116", "1.7.1")), &["`version`"]);
    refused(parse(&text.replace("\"8.0\"", "\"8\"")), &["`compute_capability`"]);
    refused(parse(&text.replace("1.234", "-1.0")), &["`build_seconds`"]);
    refused(parse(&text.replace("1.234", "1.235")), &["one that was changed since"]);
    refused(parse(&text.replace('\n', "\r\n")), &["one that was changed since"]);
    refused(parse(""), &["JSON"]);
    refused(parse("null"), &["JSON"]);
    refused(parse(&" ".repeat(70_000)), &["64 KiB"]);
    // A folder in its place is no sidecar that is missing.
    fs::remove_file(place.sidecar()).unwrap();
    fs::create_dir(place.sidecar()).unwrap();
    assert_eq!(Sidecar::read(&place.plan).expect_err("refused").kind(), ErrorKind::Io);
}

#[test]
fn a_record_of_how_it_answered_is_part_of_the_sidecar() {
    let place = Place::rtx();
    let before = fs::read(&place.plan).unwrap();
    let earlier = fs::read_to_string(place.sidecar()).unwrap();
    assert!(!earlier.contains("verified"), "sidecars of earlier releases have no such key, and are read as they are");
    let mut sidecar = Sidecar::read(&place.plan).unwrap().unwrap();
    assert_eq!(sidecar.verified, None);
    let verified = Verified {
        samples: 500,
        inputs: "samples.csv".to_owned(),
        top1_agreement: 2.0 / 3.0,
        largest_difference: 0.001_249_332,
        with: "tract 0.23.9".to_owned(),
    };
    sidecar.verified = Some(verified.clone());
    sidecar::rewrite(&place.plan, &sidecar).unwrap();
    assert_eq!(Sidecar::read(&place.plan), Ok(Some(sidecar.clone())));
    assert_eq!((fs::read(&place.plan).unwrap(), place.look(&here(Edition::Rtx, RTX))), (before, Ok(vec![])));

    let text = sidecar.text();
    let parse = |text: &str| Sidecar::parse(&place.sidecar(), text.as_bytes());
    refused(parse(&text.replace("500", "501")), &["one that was changed since"]);
    refused(parse(&text.replacen("\"samples\"", "\"extra\": 1, \"samples\"", 1)), &["unknown field `extra`"]);
    let signed = |change: &dyn Fn(&mut Verified)| {
        let mut wrong = sidecar.clone();
        wrong.verified.as_mut().map(change);
        wrong.text()
    };
    refused(parse(&signed(&|v| v.samples = 0)), &["`verified.samples`"]);
    refused(parse(&signed(&|v| v.top1_agreement = 1.5)), &["`verified.top1_agreement`", "1.5"]);
    refused(parse(&signed(&|v| v.largest_difference = -0.5)), &["`verified.largest_difference`", "-0.5"]);
}

#[test]
fn writing_replaces_whole_files_or_none() {
    let place = Place::rtx();
    let (before, sidecar_before) = (fs::read(&place.plan).unwrap(), fs::read(place.sidecar()).unwrap());
    let sidecar = Sidecar::read(&place.plan).unwrap().unwrap();
    let mapped = PlanFile::open(&place.plan).unwrap();
    let mut other = rtx_plan(RTX);
    other[4_000] ^= 1;
    // A sidecar that cannot be written keeps the plan as it was.
    fs::remove_file(place.sidecar()).unwrap();
    fs::create_dir(place.sidecar()).unwrap();
    assert_eq!(sidecar::write(&place.plan, &other, &sidecar).expect_err("a folder").kind(), ErrorKind::Io);
    assert_eq!(fs::read(&place.plan).unwrap(), before);
    fs::remove_dir(place.sidecar()).unwrap();
    let missing = place.dir.path().join("no/such.plan");
    assert_eq!(sidecar::write(&missing, &other, &sidecar).expect_err("no folder").kind(), ErrorKind::Io);

    #[cfg(unix)]
    {
        let link = place.dir.path().join("link.plan");
        std::os::unix::fs::symlink(&place.plan, &link).unwrap();
        sidecar::write(&link, &other, &sidecar).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
    }
    #[cfg(not(unix))]
    sidecar::write(&place.plan, &other, &sidecar).unwrap();
    assert_eq!(fs::read(&place.plan).unwrap(), other);
    assert_eq!(fs::read(place.sidecar()).unwrap(), sidecar_before);
    // Who had the old plan open has it still.
    #[cfg(unix)]
    assert_eq!((mapped.bytes(), mapped.sha256().unwrap()), (&before[..], sha256(&before)));
    // The new plan does not fit the old sidecar: a crash between the two renames is found.
    refused(place.look(&here(Edition::Rtx, RTX)), &["SHA-256"]);
    let left: Vec<_> = fs::read_dir(place.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("part")), "{left:?}");
}

/// The sidecar of a plan that is reached through a link is written, read and checked at one place.
#[cfg(unix)]
#[test]
fn a_linked_plan_keeps_its_sidecar() {
    use std::os::unix::fs::symlink;
    let place = Place::rtx();
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("link.plan");
    symlink(&place.plan, &link).unwrap();
    let mut sidecar = Sidecar::read(&place.plan).unwrap().unwrap();
    assert_eq!(Sidecar::read(&link), Ok(Some(sidecar.clone())));
    assert_eq!(sidecar::path_of(&link).canonicalize().unwrap(), place.sidecar().canonicalize().unwrap());

    let mut other = rtx_plan(RTX);
    other[4_000] ^= 1;
    sidecar.sha256 = sha256(&other);
    sidecar::write(&link, &other, &sidecar).unwrap();
    let look = |plan: &Path| {
        check(&PlanFile::open(plan)?, Sidecar::read(plan)?.as_ref(), &here(Edition::Rtx, RTX), Some(&place.onnx))
    };
    // No notice of a missing sidecar, by either name.
    assert_eq!((look(&link), look(&place.plan)), (Ok(vec![]), Ok(vec![])));
    assert_eq!(fs::read_dir(links.path()).unwrap().count(), 1, "nothing beside the link");

    // Stores that name files by their content link plan and sidecar one by one: there it lies beside the link, and stays.
    let stored = links.path().join("1234");
    fs::rename(place.sidecar(), &stored).unwrap();
    symlink(&stored, links.path().join("link.plan.json")).unwrap();
    assert_eq!(look(&link), Ok(vec![]));
    sidecar.sha256 = sha256(&rtx_plan(RTX));
    sidecar::write(&link, &rtx_plan(RTX), &sidecar).unwrap();
    assert_eq!(look(&link), Ok(vec![]));
    assert_eq!(fs::read(&stored).unwrap(), sidecar.text().as_bytes());
    assert!(!place.sidecar().exists());
}

#[test]
fn a_file_that_changes_while_it_is_open_is_an_error_and_no_crash() {
    let place = Place::rtx();
    let here = here(Edition::Rtx, RTX);
    let plan = PlanFile::open(&place.plan).unwrap();
    let sidecar = Sidecar::read(&place.plan).unwrap();
    // In place, and not by renaming: the open file itself becomes shorter than its map.
    fs::OpenOptions::new().write(true).open(&place.plan).unwrap().set_len(100).unwrap();
    refused(plan.check_unchanged(), &["written meanwhile"]);
    refused(plan.sha256(), &["written meanwhile"]);
    refused(plan.read_into(&mut vec![0; 5_000]), &["written meanwhile"]);
    refused(check(&plan, sidecar.as_ref(), &here, None), &["written meanwhile"]);
}

#[test]
fn headers_tell_what_they_tell() {
    let header = PlanHeader::parse(Path::new("net.plan"), &rtx_plan(RTX)).unwrap();
    assert_eq!((header.edition, header.version, header.size_bytes), (Edition::Rtx, Some(RTX), Some(5_000)));
    assert_eq!(header.compute_capabilities, [(8, 0)]);
    let mut several = rtx_plan(RTX);
    several[32] = 0b11_1111;
    let header = PlanHeader::parse(Path::new("net.plan"), &several).unwrap();
    assert_eq!(header.compute_capabilities, [(7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)]);
    several[33] = 1;
    let header = PlanHeader::parse(Path::new("net.plan"), &several).unwrap();
    assert!(header.compute_capabilities.is_empty(), "a bit that is not known: {header:?}");
    let header = PlanHeader::parse(Path::new("net.plan"), &enterprise_plan(TEN)).unwrap();
    assert_eq!((header.edition, header.version, header.size_bytes), (Edition::Enterprise, Some(TEN), None));
}

#[test]
fn weights_are_counted_by_type() {
    let of = |name: &str| Weights::of(Path::new(&format!("{MODELS}/{name}.onnx")));
    let classifier = of("classifier").unwrap();
    assert!(classifier.fp32 > 0 && classifier.fp16 == 0 && !classifier.half(), "{classifier:?}");
    // 5: GraphProto.initializer with dims [2, 3] (packed or not) and data_type FLOAT16, by hand.
    let model = |tensor: &[u8]| {
        let graph = [&[0x2a, tensor.len() as u8], tensor].concat();
        [&[0x08, 0x08, 0x3a, graph.len() as u8], &graph[..]].concat()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.onnx");
    for tensor in [&[0x08, 2, 0x08, 3, 0x10, 10][..], &[0x0a, 2, 2, 3, 0x10, 10]] {
        fs::write(&path, model(tensor)).unwrap();
        assert_eq!(Weights::of(&path).unwrap(), Weights { fp32: 0, fp16: 6 });
    }
    let whole = fs::read(format!("{MODELS}/classifier.onnx")).unwrap();
    let mut random = Rng::new(3);
    for _ in 0..2_000 {
        // Damaged models are counted wrongly or refused, and nothing worse.
        let mut damaged = whole.clone();
        damaged[random.below(whole.len())] ^= 1 << random.below(8);
        fs::write(&path, &damaged[..1 + random.below(whole.len())]).unwrap();
        if let Err(error) = Weights::of(&path) {
            assert_eq!(error.kind(), ErrorKind::Model, "{error}");
        }
    }
    fs::write(&path, "no model at all").unwrap();
    assert_eq!(Weights::of(&path).expect_err("text").kind(), ErrorKind::Model);
    assert_eq!(Weights::of(&dir.path().join("none.onnx")).expect_err("missing").kind(), ErrorKind::Io);
}

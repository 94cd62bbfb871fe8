use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, GrayImage, RgbImage};
use proptest::prelude::*;
use tempfile::TempDir;
use trt_select_base::random::Rng;

use super::*;

fn idx(extents: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, extents.len() as u8];
    for n in extents {
        bytes.extend(n.to_be_bytes());
    }
    bytes.extend(elements);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that do not compress well, so that cutting a gzip file in the middle cuts its data.
fn noise(len: usize) -> Vec<u8> {
    let mut rng = Rng::new(1);
    (0..len).map(|_| rng.next_u64() as u8).collect()
}

/// A temporary folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn open_idx(images: &[u8], labels: Option<&[u8]>) -> Result<Samples> {
    let dir = folder(&[("images-idx3-ubyte.gz", images), ("labels", labels.unwrap_or_default())]);
    let at = |name: &str| dir.path().join(name);
    Samples::open(&SampleSource::Idx { images: at("images-idx3-ubyte.gz"), labels: labels.map(|_| at("labels")) })
}

fn image_of<'a>(samples: &Samples, i: usize, buffer: &'a mut Buffer) -> (Format, u32, u32, usize, &'a [u8]) {
    samples.load(i, buffer).unwrap();
    match buffer.sample() {
        Sample::Image { format, width_px, height_px, stride_bytes, bytes } => {
            (format, width_px, height_px, stride_bytes, bytes)
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_refused(result: Result<Samples>, kind: ErrorKind, wanted: &str) {
    let error = result.unwrap_err();
    let line = error.to_string();
    assert!(line.contains(wanted), "\n got: {line}\nwant: {wanted}");
    assert_eq!(error.kind(), kind, "{line}");
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn idx_images_come_as_they_are() {
    let mut buffer = Buffer::new();
    assert_eq!(buffer.sample(), Sample::Tensor(&[]));
    let pixels = noise(3 * 4 * 5);
    let plain = idx(&[3, 4, 5], &pixels);
    let labels = idx(&[3], &[7, 0, 2]);
    for (images, labels) in [(plain.clone(), labels.clone()), (gzip(&plain), gzip(&labels))] {
        let samples = open_idx(&images, Some(&labels)).unwrap();
        assert_eq!((samples.len(), samples.is_empty(), samples.labelled()), (3, false, 3));
        assert_eq!(samples.name(2), "images-idx3-ubyte#2");
        assert_eq!((0..3).map(|i| samples.label(i)).collect::<Vec<_>>(), [Some(7), Some(0), Some(2)]);
        assert_eq!(image_of(&samples, 1, &mut buffer), (Format::Gray8, 5, 4, 5, &pixels[20..40]));
        assert!(samples.check_classes(8).is_ok());
        let error = samples.check_classes(7).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        let wanted = "labels#0: expected a label below 7, the number of classes, got 7; correct the label, or use the networks that it was made for";
        assert!(error.to_string().ends_with(wanted), "{error}");
    }
    // Colour images without labels; the file has two gzip members.
    let colour = idx(&[2, 4, 5, 3], &noise(120));
    let (front, back) = colour.split_at(50);
    let samples = open_idx(&[gzip(front), gzip(back)].concat(), None).unwrap();
    assert_eq!(samples.label(0), None);
    assert_eq!(image_of(&samples, 1, &mut buffer), (Format::Rgb8, 5, 4, 15, &noise(120)[60..]));
}

/// The images' file, the labels' file, and the error line that opening them must give.
type Case<'a> = (Vec<u8>, Option<&'a [u8]>, &'a str);

#[test]
fn bad_idx_files_are_named() {
    let images = idx(&[2, 2, 2], &noise(8));
    let labels = idx(&[2], &[0, 1]);
    let mut float = images.clone();
    float[2] = 0x0d;
    let mut corrupt = gzip(&images);
    let last = corrupt.len() - 5;
    corrupt[last] ^= 1;
    #[rustfmt::skip]
    let cases: &[Case<'_>] = &[
        (labels.clone(), None, "images-idx3-ubyte.gz: expected IDX images (magic 0x00000803 or 0x00000804), got magic 0x00000801; these are labels: name the file of the images"),
        (images.clone(), Some(&images), "labels: expected IDX labels (magic 0x00000801), got magic 0x00000803; these are images: name the file of the labels"),
        (float, None, "got magic 0x00000d03; name an IDX file of bytes, plain or gzip"),
        (b"\x89PNG\r\n\x1a\n".to_vec(), None, "got magic 0x89504e47; name an IDX file of bytes"),
        (Vec::new(), None, "images-idx3-ubyte.gz: expected a whole IDX file, got its end within the header; the file was cut short: copy or download it again"),
        (idx(&[2, 0, 2], &[]), None, "expected extents of at least 1, got 2 × 0 × 2; name a file that is not empty"),
        (idx(&[2, 2, 2, 4], &noise(32)), None, "expected 3 as the last extent of 4 (red, green, blue), got 4; write images as"),
        (idx(&[u32::MAX, u32::MAX, u32::MAX], &[]), None, "expected at most 1073741824 bytes of elements, got 4294967295 × 4294967295 × 4294967295; split the file"),
        (idx(&[1024, 1024, 1025], &[]), None, "expected at most 1073741824 bytes of elements, got 1024 × 1024 × 1025; split the file"),
        (idx(&[2, 2, 2], &noise(7)), None, "expected 8 bytes of elements (2 × 2 × 2), got 7; the file was cut short"),
        (idx(&[2, 2, 2], &noise(9)), None, "expected the end after 8 bytes of elements (2 × 2 × 2), got more bytes; the header does not fit the file"),
        (gzip(&idx(&[2, 2, 2], &noise(9))), None, "expected the end after 8 bytes of elements (2 × 2 × 2), got more bytes"),
        (images.clone(), Some(&idx(&[3], &[0, 1, 1])), "labels: expected 2 labels, one for each image of "),
        (images.clone(), Some(&idx(&[3], &[0, 1, 1])), "images-idx3-ubyte.gz, got 3; name two files of one set"),
        (corrupt, None, "images-idx3-ubyte.gz: expected gzip data, got an error within the elements ("),
        ([gzip(&images), b"junk".to_vec()].concat(), None, "images-idx3-ubyte.gz: expected"),
    ];
    for (images, labels, wanted) in cases {
        assert_refused(open_idx(images, *labels), ErrorKind::Data, wanted);
    }
    let nowhere = SampleSource::Idx { images: "nowhere/images".into(), labels: None };
    assert_refused(Samples::open(&nowhere), ErrorKind::Io, "nowhere/images: expected a readable file, got ");
}

#[test]
fn idx_cut_anywhere_is_refused() {
    let (images, labels) = (idx(&[10, 9, 8], &noise(720)), idx(&[10], &noise(10)));
    for whole in [images.clone(), gzip(&images)] {
        for part in 0..50 {
            let cut = &whole[..whole.len() * part / 50];
            assert_refused(open_idx(cut, Some(&labels)), ErrorKind::Data, "images-idx3-ubyte.gz: expected ");
        }
        assert_refused(open_idx(&whole[..whole.len() - 1], None), ErrorKind::Data, "the file was cut short");
        assert!(open_idx(&whole, Some(&labels)).is_ok());
    }
    for whole in [labels.clone(), gzip(&labels)] {
        for len in 0..whole.len() {
            assert_refused(open_idx(&images, Some(&whole[..len])), ErrorKind::Data, "labels: expected ");
        }
    }
}

/// A folder with an image of each kind, and a list of them.
fn pictures() -> TempDir {
    let dir = folder(&[(
        "list.csv",
        b"label,image\n3,rgb.png\n,\"grey, old.png\"\n0,rgba.png\n1,deep.png\n2,photo.jpg\n4,a.bmp\n5,a.ppm\n",
    )]);
    let rgb = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 200]));
    let grey = GrayImage::from_fn(3, 2, |x, y| image::Luma([(10 * x + y) as u8]));
    let (rgb, grey) = (DynamicImage::from(rgb), DynamicImage::from(grey));
    for (image, name) in [
        (rgb.clone(), "rgb.png"),
        (grey.clone(), "grey, old.png"),
        (DynamicImage::from(rgb.to_rgba8()), "rgba.png"),
        (DynamicImage::from(grey.to_luma16()), "deep.png"),
        (grey.clone(), "photo.jpg"),
        (rgb.clone(), "a.bmp"),
        (rgb, "a.ppm"),
    ] {
        image.save(dir.path().join(name)).unwrap();
    }
    dir
}

#[test]
fn listed_images_are_decoded() {
    let dir = pictures();
    let list = dir.path().join("list.csv");
    let samples = Samples::open(&SampleSource::List { list, root: dir.path().to_owned() }).unwrap();
    assert_eq!((samples.len(), samples.labelled()), (7, 6));
    assert_eq!(samples.name(1), "grey, old.png");
    assert_eq!((samples.label(0), samples.label(1)), (Some(3), None));
    let rgb: Vec<u8> = (0..6).flat_map(|i| [i % 3, i / 3, 200]).collect();
    let grey: Vec<u8> = (0..6).map(|i| 10 * (i % 3) + i / 3).collect();
    let mut buffer = Buffer::new();
    for i in [0, 2, 5, 6] {
        assert_eq!(image_of(&samples, i, &mut buffer), (Format::Rgb8, 3, 2, 9, &rgb[..]), "{}", samples.name(i));
    }
    for i in [1, 3] {
        assert_eq!(image_of(&samples, i, &mut buffer), (Format::Gray8, 3, 2, 3, &grey[..]), "{}", samples.name(i));
    }
    let (format, width, height, stride, bytes) = image_of(&samples, 4, &mut buffer);
    assert_eq!((format, width, height, stride, bytes.len()), (Format::Gray8, 3, 2, 3, 6));

    let error = samples.check_classes(5).unwrap_err().to_string();
    assert!(error.contains("list.csv:8: expected a label below 5, the number of classes, got 5; "), "{error}");
    assert!(samples.check_len(7).is_ok());
}

#[test]
fn images_can_be_named_one_by_one() {
    let dir = pictures();
    let path = dir.path().join("rgb.png");
    let samples = Samples::open(&SampleSource::Files { files: vec![path.clone(), path.clone()] }).unwrap();
    assert_eq!((samples.len(), samples.name(1), samples.label(1)), (2, path.display().to_string(), None));
    assert_eq!(image_of(&samples, 1, &mut Buffer::new()).0, Format::Rgb8);

    let open = |files: Vec<PathBuf>| Samples::open(&SampleSource::Files { files });
    assert_refused(open(vec![]), ErrorKind::Usage, "inputs: expected at least 1 image file, got none; name one");
    let nowhere = dir.path().join("nowhere.png");
    let wanted = "nowhere.png: expected an image file, got no such file; correct the path";
    assert_refused(open(vec![nowhere]), ErrorKind::Io, wanted);
    let wanted = "expected an image file, got a folder; correct the path";
    assert_refused(open(vec![dir.path().to_owned()]), ErrorKind::Io, wanted);
}

#[test]
fn images_that_cannot_be_decoded_leave_an_empty_buffer() {
    let dir = pictures();
    let whole = fs::read(dir.path().join("rgb.png")).unwrap();
    fs::write(dir.path().join("cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(dir.path().join("text.png"), "hello").unwrap();
    fs::write(dir.path().join("empty.png"), "").unwrap();
    fs::write(dir.path().join("text.txt"), "hello").unwrap();
    // The header promises far more pixels than the file holds.
    fs::write(dir.path().join("huge.ppm"), "P6 60000 60000 255\n").unwrap();
    let names = ["cut.png", "text.png", "empty.png", "text.txt", "huge.ppm"];
    let files = names.iter().map(|name| dir.path().join(name)).chain([dir.path().join("rgb.png")]).collect();
    let samples = Samples::open(&SampleSource::Files { files }).unwrap();
    let mut buffer = Buffer::new();
    samples.load(5, &mut buffer).unwrap();
    for (i, name) in names.iter().enumerate() {
        let error = samples.load(i, &mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        let line = error.to_string();
        assert!(line.contains(&format!("{name}: expected a")), "{line}");
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(buffer.sample(), Sample::Tensor(&[]));
    }
    let gone = dir.path().join("rgb.png");
    fs::remove_file(gone).unwrap();
    assert_eq!(samples.load(5, &mut buffer).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn bad_lists_are_named() {
    let open = |text: &[u8]| {
        let dir = folder(&[("list.csv", text), ("a.png", b"x"), ("b.png", b"x")]);
        Samples::open(&SampleSource::List { list: dir.path().join("list.csv"), root: dir.path().to_owned() })
    };
    assert_eq!(open(b"\xef\xbb\xbfimage\na.png\nb.png\n").unwrap().labelled(), 0);
    assert_eq!(open(b"image, label\r\na.png, 4\r\n").unwrap().label(0), Some(4));
    #[rustfmt::skip]
    let cases: &[(&[u8], &str)] = &[
        (b"", "list.csv:1: expected the columns image,label or image, got \"\"; correct the header"),
        (b"image\n", "list.csv: expected at least 1 image, got none; add a row for each image"),
        (b"a.png,3\n", "list.csv:1: expected the columns image,label or image, got \"a.png,3\"; correct the header"),
        (b"image,lable\na.png,3\n", "got \"image,lable\"; correct the header"),
        (b"image,label,label\na.png,3,3\n", "got \"image,label,label\"; correct the header"),
        (b"image,label\na.png,3\nb.png\n", "list.csv:3: expected 2 fields, as in the rows before, got 1; correct the row"),
        (b"image,label\na.png,cat\n", "list.csv:2: expected a class number from 0 as label, got \"cat\"; give the class's index, or leave it empty"),
        (b"image,label\na.png,-1\n", "expected a class number from 0 as label, got \"-1\"; give"),
        (b"image,label\n,1\n", "list.csv:2: expected an image's file name, got none; name the file, or remove the row"),
        (b"image,label\na.png,1\n\na.png,1\n", "list.csv:4: expected each image once, got \"a.png\" again (first at "),
        (b"image,label\na.png,1\n\na.png,1\n", "list.csv:2); remove the row"),
        (b"\xef\xbb\xbfimage,label\r\na.png,1\r\n\r\nb.png,x\r\n", "list.csv:4: expected a class number"),
        (b"image,label\r\na.png,1\r\nb.png\r\n", "list.csv:3: expected 2 fields"),
        (b"image\na\xff.png\n", "list.csv:2: expected UTF-8 text, got other bytes; save the file as UTF-8"),
    ];
    for (text, wanted) in cases {
        assert_refused(open(text), ErrorKind::Data, wanted);
    }
    assert_refused(open(b"image\nc.png\n"), ErrorKind::Io, "list.csv:2: expected an image file, got none at ");
}

fn open_table(text: &[u8]) -> Result<Samples> {
    let dir = folder(&[("rows.csv", text)]);
    Samples::open(&SampleSource::Table { table: dir.path().join("rows.csv") })
}

#[test]
fn tables_are_rows_of_values() {
    let mut buffer = Buffer::new();
    for (text, label) in [
        (&b"label,v0,v1\n1,0.5,-2\n,1e3,4\n"[..], Some(1)),
        (b"v0,v1,label\n0.5,-2,1\n1e3,4,\n", Some(1)),
        (b"label,0,1\n1,0.5,-2\n,1e3,4\n", Some(1)),
        (b"v0,v1\n0.5,-2\n1e3,4\n", None),
        (b"\xef\xbb\xbf0.5,-2\r\n1e3,4\r\n", None),
    ] {
        let samples = open_table(text).unwrap();
        assert_eq!((samples.len(), samples.name(1)), (2, "rows#1".to_owned()));
        assert_eq!((samples.label(0), samples.label(1)), (label, None));
        samples.load(1, &mut buffer).unwrap();
        assert_eq!(buffer.sample(), Sample::Tensor(&[1e3, 4.0]));
        assert!(samples.check_len(2).is_ok());
        let error = samples.check_len(16).unwrap_err().to_string();
        let wanted =
            "rows.csv: expected 16 values a row, as many as [input] shape has, got 2; correct the table or the shape";
        assert!(error.ends_with(wanted), "{error}");
    }
    let dir = folder(&[("rows.csv", b"label,v\n9,1\n")]);
    let samples = Samples::open(&SampleSource::Table { table: dir.path().join("rows.csv") }).unwrap();
    let error = samples.check_classes(9).unwrap_err().to_string();
    assert!(error.contains("rows.csv:2: expected a label below 9, the number of classes, got 9; "), "{error}");
}

#[test]
fn bad_tables_are_named() {
    #[rustfmt::skip]
    let cases: &[(&[u8], &str)] = &[
        (b"", "rows.csv: expected at least 1 row of values, got none; add a row for each sample"),
        (b"label,v0\n", "rows.csv: expected at least 1 row of values, got none; add a row for each sample"),
        (b"label\n1\n", "rows.csv:1: expected columns of values, got the column label alone; add the tensors' values"),
        (b"label,v0,label\n1,1,1\n", "rows.csv:1: expected one column label, got several; rename or remove the others"),
        (b"0,1,2\n5,6,7\n", "rows.csv:1: expected a header or values, got the numbers 0 to 2, which may be either; give the columns names, e.g. v0,v1"),
        (b"0.5,1.O\n1,2\n", "rows.csv:1: column 2: expected a finite number, got \"1.O\"; correct the value"),
        (b"v0,v1\n1,\n", "rows.csv:2: column 2: expected a finite number, got \"\"; correct the value"),
        (b"v0,v1\n1,nan\n", "rows.csv:2: column 2: expected a finite number, got \"nan\"; correct the value"),
        (b"v0,v1\n1,1e39\n", "rows.csv:2: column 2: expected a finite number, got \"1e39\"; correct the value"),
        (b"label,v1\n1.5,1\n", "rows.csv:2: expected a class number from 0 as label, got \"1.5\"; give"),
        (b"v0,v1\n1,2\n3\n", "rows.csv:3: expected 2 fields, as in the rows before, got 1; correct the row"),
    ];
    for (text, wanted) in cases {
        assert_refused(open_table(text), ErrorKind::Data, wanted);
    }
    let nowhere = SampleSource::Table { table: "nowhere.csv".into() };
    assert_refused(Samples::open(&nowhere), ErrorKind::Io, "nowhere.csv: expected a readable file, got ");
}

#[test]
fn bundles_know_classes_and_shape() {
    let text = |shape: &str| {
        format!(
            "format = 1\nname = \"s\"\nlabels = \"labels.txt\"\n[input]\nkind = \"tensor\"\nshape = {shape}\n\
             [samples]\nlist = \"rows.csv\"\n[[candidate]]\nname = \"n\"\nonnx = \"n.onnx\"\n"
        )
    };
    let of = |toml: &str, labels: &str| {
        let dir = folder(&[
            ("bundle.toml", toml.as_bytes()),
            ("labels.txt", labels.as_bytes()),
            ("rows.csv", b"label,v0,v1\n0,1,2\n1,3,4\n"),
            ("n.onnx", b""),
        ]);
        Samples::of_bundle(&Bundle::read(dir.path()).unwrap())
    };
    assert_eq!(of(&text("[1, 2]"), "a\nb\n").unwrap().len(), 2);
    assert_refused(of(&text("[1, 2]"), "a\n"), ErrorKind::Data, "rows.csv:3: expected a label below 1, the number");
    assert_refused(of(&text("[1, 3]"), "a\nb\n"), ErrorKind::Data, "rows.csv: expected 3 values a row");
    let none = text("[1, 2]").replace("[samples]\nlist = \"rows.csv\"\n", "");
    let wanted = "bundle.toml: expected a [samples] table, got none; add the table, or name inputs";
    assert_refused(of(&none, "a\nb\n"), ErrorKind::Usage, wanted);
}

proptest! {
    /// Any bytes give either samples that can all be loaded, or an error of one line.
    #[test]
    fn any_file_is_taken_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        rank in 0_u8..6,
        extents in prop::collection::vec(0_u32..4, 0..5),
        packed in any::<bool>(),
    ) {
        let mut file = vec![0, 0, 8, rank];
        file.extend(extents.iter().flat_map(|n| n.to_be_bytes()));
        file.extend(&bytes);
        let file = if packed { gzip(&file) } else { file };
        for opened in [open_idx(&file, None), open_idx(&bytes, None), open_table(&bytes)] {
            match opened {
                Ok(samples) => {
                    let mut buffer = Buffer::new();
                    for i in 0..samples.len() {
                        prop_assert!(samples.load(i, &mut buffer).is_ok());
                        match buffer.sample() {
                            Sample::Tensor(values) => prop_assert!(!values.is_empty()),
                            Sample::Image { stride_bytes, height_px, bytes, .. } => {
                                prop_assert_eq!(stride_bytes * height_px as usize, bytes.len());
                            }
                        }
                    }
                }
                Err(error) => prop_assert!(!error.to_string().chars().any(char::is_control), "{}", error),
            }
        }
    }
}

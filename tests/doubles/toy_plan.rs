//! Toy plans for the test double of TensorRT's library: see `toy-plan.md`. Tests include this file with `#[path]`.
#![allow(dead_code)] // each test uses its own part

/// An input or output of a toy network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToyTensor {
    /// The tensor's name, at most 63 bytes.
    pub(crate) name: String,
    /// Whether the elements are f16; otherwise they are f32.
    pub(crate) half: bool,
    /// The extents; the first one may be -1, which means any.
    pub(crate) shape: Vec<i64>,
}

impl ToyTensor {
    /// A tensor of f32.
    pub(crate) fn single(name: &str, shape: &[i64]) -> ToyTensor {
        ToyTensor { name: name.to_owned(), half: false, shape: shape.to_vec() }
    }

    /// A tensor of f16.
    pub(crate) fn half(name: &str, shape: &[i64]) -> ToyTensor {
        ToyTensor { half: true, ..ToyTensor::single(name, shape) }
    }

    /// Number of elements, where an extent of -1 counts as 1.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().map(|&extent| extent.unsigned_abs() as usize).product()
    }

    fn write(&self, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(self.name.as_bytes());
        to.resize(start + 64, 0);
        to.extend_from_slice(&u32::from(self.half).to_le_bytes());
        to.extend_from_slice(&(self.shape.len() as u32).to_le_bytes());
        for i in 0..8 {
            to.extend_from_slice(&self.shape.get(i).copied().unwrap_or(0).to_le_bytes());
        }
    }
}

/// What a plan's header says about the library that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// The magic bytes: `vtrt` of RTX, `ftrt` of TensorRT from 8.6 on, `ptrt` before.
    pub(crate) magic: [u8; 4],
    /// The number of the serialization, which tells versions before 8.6 apart; 1 since then.
    pub(crate) serialization: u64,
    /// The version: major, minor, patch, build.
    pub(crate) version: [u8; 4],
    /// The mask of GPUs in an RTX plan; the value 2 stands for compute capability 8.0.
    pub(crate) gpus: u64,
}

impl Form {
    /// That of RTX 1.7.
    pub(crate) const RTX: Form = Form { magic: *b"vtrt", serialization: 1, version: [1, 7, 1, 116], gpus: 2 };

    /// That of a version of TensorRT proper.
    pub(crate) fn enterprise(version: [u8; 4]) -> Form {
        let serialization = match (version[0], version[1]) {
            (8, 2..4) => 205,
            (8, 4) => 213,
            (8, 5) => 232,
            _ => 1,
        };
        Form { magic: if serialization == 1 { *b"ftrt" } else { *b"ptrt" }, serialization, version, gpus: 0 }
    }
}

/// A network that computes `y = W·x + b`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToyPlan {
    /// What the header says.
    pub(crate) form: Form,
    /// Whether it runs only where the plugins are registered.
    pub(crate) wants_plugins: bool,
    /// Whether it is version-compatible, and whether it then brings the lean runtime's code with it.
    pub(crate) compatible: bool,
    pub(crate) has_lean: bool,
    /// Whether there is a second output, of integers.
    pub(crate) has_integers: bool,
    /// Number of bytes of device memory that a context needs while it runs.
    pub(crate) activation_bytes: u64,
    /// The input tensor.
    pub(crate) input: ToyTensor,
    /// The output tensor.
    pub(crate) output: ToyTensor,
    /// The weights W, with one row for each element of the output.
    pub(crate) weights: Vec<f32>,
    /// The bias b, with one number for each element of the output.
    pub(crate) bias: Vec<f32>,
}

impl ToyPlan {
    /// A plan whose weights are small and vary.
    pub(crate) fn new(form: Form, input: ToyTensor, output: ToyTensor, activation_bytes: u64) -> ToyPlan {
        let (inputs, outputs) = (input.len(), output.len());
        // An odd step modulo a power of two visits every number. The values are exact in f16.
        let value = |i: usize| ((i * 37 + 11) % 64) as f32 / 64.0 - 0.5;
        ToyPlan {
            form,
            wants_plugins: false,
            compatible: false,
            has_lean: false,
            has_integers: false,
            activation_bytes,
            weights: (0..inputs * outputs).map(value).collect(),
            bias: (0..outputs).map(|o| value(o * 5 + 3)).collect(),
            input,
            output,
        }
    }

    /// The bytes of the plan's file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut to = Vec::new();
        to.extend_from_slice(&self.form.magic);
        to.extend_from_slice(&[0; 4]);
        to.extend_from_slice(&self.form.serialization.to_le_bytes());
        to.extend_from_slice(&[0; 8]);
        to.extend_from_slice(&self.form.version);
        to.extend_from_slice(&self.form.magic);
        to.extend_from_slice(&self.form.gpus.to_le_bytes());
        to.extend([self.wants_plugins, self.compatible, self.has_lean, self.has_integers].map(u8::from));
        to.resize(64, 0);
        to.extend_from_slice(b"TOYP");
        to.extend_from_slice(&1_u32.to_le_bytes());
        to.extend_from_slice(&self.activation_bytes.to_le_bytes());
        self.input.write(&mut to);
        self.output.write(&mut to);
        for value in self.weights.iter().chain(&self.bias) {
            to.extend_from_slice(&value.to_le_bytes());
        }
        let size = to.len() as u64 + 4;
        to[16..24].copy_from_slice(&size.to_le_bytes());
        let crc = crc32(&to);
        to.extend_from_slice(&crc.to_le_bytes());
        to
    }

    /// The network's output for an input, before an f16 output is rounded.
    pub(crate) fn run(&self, input: &[f32]) -> Vec<f32> {
        assert_eq!(input.len(), self.input.len(), "elements of the input");
        let row = |o: usize| &self.weights[o * input.len()..(o + 1) * input.len()];
        let sum = |o: usize| row(o).iter().zip(input).fold(0.0, |sum, (w, x)| sum + w * x);
        self.bias.iter().enumerate().map(|(o, b)| sum(o) + b).collect()
    }
}

/// The CRC-32 checksum as zlib computes it.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

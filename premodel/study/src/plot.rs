//! Plots of a study as SVG. The viewer chooses the fonts, so that this needs none of the system.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use trt_select_train::random_mix;

use super::error::StudyError;
use super::outcome::Group;
use super::{Count, Study};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawError = DrawingAreaErrorKind<std::io::Error>;
type Drawn = Result<(), DrawError>;

const FONT: &str = "sans-serif";
const GREY: RGBColor = RGBColor(150, 150, 150);
const BLUE: RGBColor = RGBColor(31, 119, 180);
const ORANGE: RGBColor = RGBColor(230, 120, 20);
const GREEN: RGBColor = RGBColor(44, 140, 44);
const RED: RGBColor = RGBColor(200, 40, 40);
const PURPLE: RGBColor = RGBColor(130, 90, 180);

/// All plots: name and text.
pub(super) fn plots(study: &Study) -> Result<Vec<(String, String)>, StudyError> {
    let mut files = Vec::new();
    let mut draw = |name: &str, size: (u32, u32), paint: &dyn Fn(&Area<'_>) -> Drawn| {
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let drawn = area.fill(&WHITE).and_then(|()| paint(&area)).and_then(|()| area.present());
        drop(area);
        drawn.map_err(|e| StudyError::of_plot(name, e))?;
        files.push((name.to_string(), text));
        Ok::<(), StudyError>(())
    };
    draw("accuracy.svg", (960, 640), &|area| accuracy(study, area))?;
    let mut names = study.candidates.clone();
    names.push("none".to_string());
    let optimal: Vec<f64> = study.optimal.iter().map(|s| 100.0 * s).collect();
    draw("optimal.svg", (720, 360), &|area| {
        bars(
            area,
            "Share of inputs for which a network is the fastest right one",
            "%",
            &names,
            &[("", BLUE, optimal.clone())],
        )
    })?;
    if study.counts.len() > 1 {
        draw("counts.svg", (720, 420), &|area| counts(study, area))?;
    }
    if study.losses.len() > 1 {
        let (all, each) = (&study.losses[0], &study.losses[1..]);
        let names: Vec<String> = each.iter().map(|l| l.feature.clone()).collect();
        let selector = each.iter().map(|l| 100.0 * (all.selector_accuracy - l.selector_accuracy)).collect();
        let answers = each.iter().map(|l| 100.0 * (all.answer_accuracy - l.answer_accuracy)).collect();
        let series = [("selector", BLUE, selector), ("answers", ORANGE, answers)];
        draw("features.svg", (960, 400), &|area| {
            bars(area, "Accuracy lost by the knn chain without a feature", "points", &names, &series)
        })?;
    }
    Ok(files)
}

/// A range with some room around its values.
fn range(values: impl Iterator<Item = f64>, room: f64) -> std::ops::Range<f64> {
    let (low, high) = values.filter(|v| v.is_finite()).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let by = if high > low { (high - low) * room } else { low.abs().max(1.0) * room };
    low - by..high + by
}

/// A point of the accuracy plot: mean time in milliseconds, accuracy in percent.
type Dot = (f64, f64);

/// What the accuracy plot shows: its frame, and what lies inside it.
struct Frame {
    x: std::ops::Range<f64>,
    y: std::ops::Range<f64>,
}

impl Frame {
    /// Holds the single networks and the oracle, with some room. Cascades of useless orders lie far below and would squeeze the
    /// rest.
    fn new(study: &Study) -> Frame {
        let shown: Vec<Dot> = [Group::Single, Group::Oracle].into_iter().flat_map(|g| dots_of(study, g)).collect();
        let x = range(shown.iter().map(|p| p.0.max(1e-9).log10()), 0.06);
        let y = range(shown.iter().map(|p| p.1), 0.05);
        Frame { x: 10f64.powf(x.start)..10f64.powf(x.end), y }
    }

    fn inside(&self, dots: Vec<Dot>) -> Vec<Dot> {
        dots.into_iter().filter(|p| self.x.contains(&p.0) && self.y.contains(&p.1)).collect()
    }

    /// The random mix of single networks, at 201 times over the plot's width.
    fn random_mix(&self, study: &Study) -> Vec<Dot> {
        let singles = study.singles();
        let times = (0..=200).map(|i| self.x.start * (self.x.end / self.x.start).powf(f64::from(i) / 200.0));
        self.inside(times.filter_map(|ms| random_mix(&singles, ms * 1e6).map(|a| (ms, 100.0 * a))).collect())
    }
}

fn dots_of(study: &Study, group: Group) -> Vec<Dot> {
    study.of(group).map(|s| (s.mean_ns / 1e6, 100.0 * s.accuracy.mean)).collect()
}

/// The programs of a front that were trained for a price.
fn front_of(study: &Study, group: Group) -> Vec<Dot> {
    let points = study.fronts.iter().filter(|front| front.group == group).flat_map(|front| &front.points);
    points.filter(|p| p.price.is_some()).map(|p| (p.mean_ns / 1e6, 100.0 * p.accuracy)).collect()
}

/// Round dots, as a series and in the legend.
fn dots(dots: Vec<Dot>, size: i32, style: ShapeStyle) -> impl Iterator<Item = Circle<Dot, i32>> {
    dots.into_iter().map(move |p| Circle::new(p, size, style))
}

fn dot_legend(style: ShapeStyle) -> impl Fn((i32, i32)) -> Circle<(i32, i32), i32> {
    move |(x, y)| Circle::new((x + 8, y), 4, style)
}

fn line_legend(style: ShapeStyle) -> impl Fn((i32, i32)) -> PathElement<(i32, i32)> {
    move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style)
}

type AccuracyChart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<LogCoord<f64>, RangedCoordf64>>;

/// Accuracy against mean time, on a logarithmic scale of time.
fn accuracy(study: &Study, area: &Area<'_>) -> Drawn {
    let frame = Frame::new(study);
    let mut chart = ChartBuilder::on(area)
        .caption("Accuracy against mean time (judged on unseen inputs)", (FONT, 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(56)
        .build_cartesian_2d(frame.x.clone().log_scale(), frame.y.clone())?;
    let ms = |v: &f64| if *v >= 1.0 { format!("{v:.0}") } else { format!("{v:.3}") };
    chart
        .configure_mesh()
        .x_desc("mean time of an answer in ms (logarithmic)")
        .y_desc("top-1 in %")
        .x_label_formatter(&ms)
        .label_style((FONT, 13))
        .light_line_style(WHITE)
        .draw()?;
    selectors(study, &frame, &mut chart)?;
    landmarks(study, &frame, &mut chart)?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(GREY)
        .label_font((FONT, 13))
        .draw()
}

/// Cascades, programs, chains and classifiers.
fn selectors(study: &Study, frame: &Frame, chart: &mut AccuracyChart<'_, '_>) -> Drawn {
    let all_orders: Vec<Dot> = study.cascades.iter().map(|p| (p.mean_ns / 1e6, 100.0 * p.accuracy)).collect();
    chart
        .draw_series(dots(frame.inside(all_orders), 2, GREY.mix(0.45).filled()))?
        .label("cascades, every order")
        .legend(dot_legend(GREY.filled()));
    chart
        .draw_series(LineSeries::new(frame.random_mix(study), BLACK.stroke_width(1)))?
        .label("random mix")
        .legend(line_legend(BLACK.stroke_width(1)));
    let mut cascades = dots_of(study, Group::Cascade);
    cascades.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (label, points, colour) in [
        ("cascade chosen in the fold", cascades, ORANGE),
        ("image-features tree", front_of(study, Group::FeatureTree), PURPLE),
        ("decision programs", front_of(study, Group::Program), RED),
    ] {
        let points = frame.inside(points);
        if !points.is_empty() {
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))?
                .label(label)
                .legend(line_legend(colour.stroke_width(2)));
        }
    }
    for (label, group, colour) in [("chains", Group::Chain, GREEN), ("single classifiers", Group::Classifier, BLUE)] {
        let points = dots_of(study, group);
        if !points.is_empty() {
            let series = dots(frame.inside(points), 3, colour.filled());
            chart.draw_series(series)?.label(label).legend(dot_legend(colour.filled()));
        }
    }
    Ok(())
}

/// Single networks with their names, and the oracle.
fn landmarks(study: &Study, frame: &Frame, chart: &mut AccuracyChart<'_, '_>) -> Drawn {
    let square = |p: Dot| EmptyElement::at(p) + Rectangle::new([(-4, -4), (4, 4)], BLACK.filled());
    chart
        .draw_series(dots_of(study, Group::Single).into_iter().map(square))?
        .label("single networks")
        .legend(|(x, y)| Rectangle::new([(x + 4, y - 4), (x + 12, y + 4)], BLACK.filled()));
    // A name stands to the right of its point, or to the left in the right half of the plot, where it would be cut off.
    let middle = (frame.x.start * frame.x.end).sqrt();
    chart.draw_series(study.of(Group::Single).map(|s| {
        let at = (s.mean_ns / 1e6, 100.0 * s.accuracy.mean);
        let offset = if at.0 > middle { (-8 - 7 * s.name.len() as i32, 8) } else { (8, 8) };
        EmptyElement::at(at) + Text::new(s.name.clone(), offset, (FONT, 13))
    }))?;
    chart
        .draw_series(dots_of(study, Group::Oracle).into_iter().map(|p| {
            EmptyElement::at(p)
                + TriangleMarker::new((0, 0), 7, BLACK.filled())
                + Text::new("oracle", (10, -6), (FONT, 13))
        }))?
        .label("oracle")
        .legend(|(x, y)| TriangleMarker::new((x + 8, y), 6, BLACK.filled()));
    Ok(())
}

/// Groups of bars, one group a name.
fn bars(area: &Area<'_>, title: &str, unit: &str, names: &[String], series: &[(&str, RGBColor, Vec<f64>)]) -> Drawn {
    let y = range(series.iter().flat_map(|s| s.2.iter().copied()).chain([0.0]), 0.08);
    let y = if y.start > -1e-9 || series.iter().all(|s| s.2.iter().all(|&v| v >= 0.0)) { 0.0..y.end } else { y };
    let count = names.len();
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 16))
        .margin(10)
        .x_label_area_size(34)
        .y_label_area_size(52)
        .build_cartesian_2d(-0.5..count as f64 - 0.5, y)?;
    let name = |v: &f64| {
        let near = v.round();
        let at = if (v - near).abs() < 1e-6 && near >= 0.0 { near as usize } else { usize::MAX };
        names.get(at).cloned().unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(count * 2 + 1)
        .x_label_formatter(&name)
        .y_desc(unit)
        .label_style((FONT, 12))
        .light_line_style(WHITE)
        .draw()?;
    let wide = 0.8 / series.len().max(1) as f64;
    for (s, (label, colour, values)) in series.iter().enumerate() {
        let bars = values.iter().enumerate().map(|(i, &v)| {
            let left = i as f64 - 0.4 + s as f64 * wide;
            Rectangle::new([(left, 0.0), (left + wide * 0.95, v)], colour.filled())
        });
        let colour = *colour;
        let drawn = chart.draw_series(bars)?;
        if !label.is_empty() {
            drawn
                .label(*label)
                .legend(move |(x, y)| Rectangle::new([(x + 4, y - 4), (x + 12, y + 4)], colour.filled()));
        }
    }
    if series.iter().any(|s| !s.0.is_empty()) {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .border_style(GREY)
            .label_font((FONT, 12))
            .draw()?;
    }
    Ok(())
}

/// Accuracy, and time saved, against the number of networks.
fn counts(study: &Study, area: &Area<'_>) -> Drawn {
    let of = |value: &dyn Fn(&Count) -> Option<f64>| -> Vec<Dot> {
        study.counts.iter().filter_map(|c| value(c).map(|v| (c.set.len() as f64, v))).collect()
    };
    let halves = area.split_evenly((1, 2));
    let percent = |reward: f64| 100.0 * reward;
    let ms = |cost: f64| cost / 1e6;
    let accuracy = [
        ("oracle", BLACK, of(&|c| Some(percent(c.oracle.reward)))),
        ("best single", GREY, of(&|c| Some(percent(c.single.reward)))),
        ("knn chain", GREEN, of(&|c| c.chain.map(|v| percent(v.answers)))),
        ("cascade", ORANGE, of(&|c| c.cascade.map(|v| percent(v.reward)))),
        ("program", RED, of(&|c| c.program.map(|v| percent(v.reward)))),
    ];
    let time = [
        ("oracle", BLACK, of(&|c| Some(ms(c.oracle.cost)))),
        ("best single", GREY, of(&|c| Some(ms(c.single.cost)))),
        ("cascade", ORANGE, of(&|c| c.cascade.map(|v| ms(v.cost)))),
        ("program", RED, of(&|c| c.program.map(|v| ms(v.cost)))),
    ];
    for (half, title, unit, series) in
        [(&halves[0], "Accuracy", "top-1 in %", &accuracy[..]), (&halves[1], "Mean time", "ms", &time[..])]
    {
        let y = range(series.iter().flat_map(|s| s.2.iter().map(|p| p.1)), 0.08);
        let mut chart = ChartBuilder::on(half)
            .caption(title, (FONT, 16))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(52)
            .build_cartesian_2d(1.8..study.counts.len() as f64 + 1.2, y)?;
        let whole = |v: &f64| if (v - v.round()).abs() < 1e-6 { format!("{v:.0}") } else { String::new() };
        chart
            .configure_mesh()
            .x_desc("networks")
            .y_desc(unit)
            .x_label_formatter(&whole)
            .label_style((FONT, 12))
            .light_line_style(WHITE)
            .draw()?;
        for (label, colour, points) in series.iter().filter(|s| !s.2.is_empty()) {
            let colour = *colour;
            chart
                .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)).point_size(3))?
                .label(*label)
                .legend(line_legend(colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.85))
            .border_style(GREY)
            .label_font((FONT, 12))
            .draw()?;
    }
    Ok(())
}

//! Bars as SVG, written by hand: no library draws so little.

use std::fmt::Write as _;

use crate::{contender::Contender, scale::Curve, table::Figures, work::Work};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 210.0;
const BAR: f64 = 12.0;

/// CPU time of a create by contender, on a logarithmic scale: one bar for each number of calls at once.
pub(crate) fn bars(figures: &Figures) -> String {
    let rows: Vec<_> = Contender::ALL
        .into_iter()
        .map(|contender| {
            let cost = |at_once| figures.costs[&(contender, false, Work::Create, at_once)].median;
            (contender, [(1, cost(1), "#9db8d6"), (64, cost(64), "#2f6db3")])
        })
        .collect();
    let most = rows.iter().flat_map(|(_, bars)| bars.iter().map(|(_, cost, _)| *cost)).fold(10.0, f64::max);
    let x = |cost: f64| LEFT + (WIDTH - LEFT - 70.0) * (cost.max(10.0) / 10.0).ln() / (most / 10.0).ln();
    let height = 60.0 + 40.0 * f64::from(u32::try_from(rows.len()).unwrap());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">CPU time of one Cognito create, microseconds (logarithmic): light 1 call at once, dark 64</text>\n"
    );
    for line in [10.0, 100.0, 1000.0].into_iter().filter(|line| *line <= most) {
        let at = x(line);
        writeln!(
            svg,
            "<line x1=\"{at:.0}\" x2=\"{at:.0}\" y1=\"30\" y2=\"{:.0}\" stroke=\"#ccc\"/><text x=\"{at:.0}\" y=\"{:.0}\" fill=\"#666\">{line}</text>",
            height - 22.0,
            height - 8.0
        )
        .unwrap();
    }
    let mut y = 40.0;
    for (contender, bars) in rows {
        let weight = if contender == Contender::Ours { "bold" } else { "normal" };
        writeln!(svg, "<text x=\"10\" y=\"{:.0}\" font-weight=\"{weight}\">{}</text>", y + 16.0, contender.name())
            .unwrap();
        for (_, cost, colour) in bars {
            let width = x(cost) - LEFT;
            writeln!(
                svg,
                "<rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{BAR}\" fill=\"{colour}\"/>\
                 <text x=\"{:.0}\" y=\"{:.0}\">{cost:.0}</text>",
                LEFT + width + 4.0,
                y + 10.0
            )
            .unwrap();
            y += BAR + 1.0;
        }
        y += 14.0;
    }
    svg + "</svg>\n"
}

/// Curves, each with a diagram of its own, both axes logarithmic.
pub(crate) fn curves(curves: &[Curve]) -> String {
    const HEIGHT: f64 = 150.0;
    let total = HEIGHT * f64::from(u32::try_from(curves.len()).unwrap());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {total}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (number, curve) in (0_u32..).zip(curves) {
        let top = HEIGHT * f64::from(number);
        let costs = || curve.points.iter().map(|(_, cost)| *cost);
        let (least, most) = (costs().fold(f64::MAX, f64::min) / 2.0, costs().fold(0.0, f64::max) * 2.0);
        let steps = f64::from(u32::try_from(curve.points.len().max(2) - 1).unwrap());
        let x = |at: u32| 60.0 + (WIDTH - 140.0) * f64::from(at) / steps;
        let y = |cost: f64| top + 120.0 - 80.0 * (cost / least).ln() / (most / least).ln();
        writeln!(
            svg,
            "<text x=\"10\" y=\"{:.0}\" font-size=\"14\">{}, microseconds by {}</text>",
            top + 20.0,
            curve.name,
            curve.unit
        )
        .unwrap();
        let mut line = String::new();
        for (step, (at, cost)) in (0_u32..).zip(&curve.points) {
            let (x, y) = (x(step), y(*cost));
            write!(line, "{x:.0},{y:.0} ").unwrap();
            writeln!(
                svg,
                "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"3\" fill=\"#2f6db3\"/><text x=\"{:.0}\" y=\"{:.0}\">{cost:.1}</text>\
                 <text x=\"{:.0}\" y=\"{:.0}\" fill=\"#666\">{at}</text>",
                x + 5.0,
                y - 6.0,
                x - 8.0,
                top + 140.0
            )
            .unwrap();
        }
        writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"#2f6db3\"/>", line.trim()).unwrap();
    }
    svg + "</svg>\n"
}

//! One hand for the project's pictures: lines over two axes, each named at its end. What matters has a colour: ours, the
//! floor, the best of the others; the rest is grey. The colours are of Okabe and Ito, which people with red-green blindness can
//! tell apart, and weight and dashes say the same where there is no colour.

use std::fmt::Write as _;

const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 50.0;
/// From one name to the next.
const ROW: f64 = 17.0;

pub struct Axis {
    pub from: f64,
    pub to: f64,
    pub logarithmic: bool,
    pub ticks: Vec<(f64, String)>,
    /// Below the horizontal one. The vertical one is named by the title.
    pub name: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Other,
    Peer,
    Ours,
    Floor,
}

pub struct Line {
    pub name: String,
    pub role: Role,
    pub points: Vec<(f64, f64)>,
}

pub struct Chart {
    pub title: &'static str,
    pub subtitle: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
}

impl Axis {
    /// Where on it a value lies, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        }
    }
}

impl Role {
    /// Attributes of its line, and the colour of its name.
    fn style(self) -> (&'static str, &'static str) {
        match self {
            Role::Other => ("stroke=\"#aaa\" stroke-width=\"1.2\"", "#666"),
            Role::Peer => ("stroke=\"#d55e00\" stroke-width=\"2\"", "#b84f00"),
            Role::Ours => ("stroke=\"#0072b2\" stroke-width=\"4\"", "#0072b2"),
            Role::Floor => ("stroke=\"#000\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\"", "#000"),
        }
    }
}

impl Chart {
    pub fn draw(&self) -> String {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<title>{0}</title>\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"16\" y=\"24\" font-size=\"16\" font-weight=\"bold\">{0}</text>\n\
             <text x=\"16\" y=\"44\" fill=\"#555\">{1}</text>\n",
            self.title, self.subtitle
        );
        for (value, name) in &self.x.ticks {
            let x = self.across(*value);
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(svg, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#eee\"/>");
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>", bottom + 18.0);
        }
        for (value, name) in &self.y.ticks {
            let y = self.up(*value);
            let _ = writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#eee\"/>");
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>", LEFT - 8.0, y + 4.5);
        }
        let middle = (LEFT + right) / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            HEIGHT - 12.0,
            self.x.name
        );
        self.curves(&mut svg);
        svg + "</svg>\n"
    }

    /// What matters is drawn last, and so lies on top; the floor over ours, because it is dashed.
    fn curves(&self, svg: &mut String) {
        for role in [Role::Other, Role::Peer, Role::Ours, Role::Floor] {
            for line in self.lines.iter().filter(|line| line.role == role) {
                let mut path = String::new();
                for (x, y) in &line.points {
                    let _ = write!(path, "{:.1},{:.1} ", self.across(*x), self.up(*y));
                }
                let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" {}/>", path.trim_end(), role.style().0);
            }
        }
        let right = WIDTH - RIGHT;
        for (line, end, at) in self.names() {
            let (_, colour) = line.role.style();
            let _ = writeln!(
                svg,
                "<path d=\"M{:.1} {end:.1}L{} {at:.1}\" fill=\"none\" stroke=\"#bbb\"/>",
                right + 1.0,
                right + 12.0
            );
            let weight = if line.role == Role::Other { "" } else { " font-weight=\"bold\"" };
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\"{weight}>{}</text>",
                right + 15.0,
                at + 4.5,
                line.name
            );
        }
    }

    /// Each line, the height of its end, and that of its name: as near as the names above and below it allow.
    fn names(&self) -> Vec<(&Line, f64, f64)> {
        let ends = self.lines.iter().filter_map(|line| Some((line, self.up(line.points.last()?.1))));
        let mut names: Vec<(&Line, f64, f64)> = ends.map(|(line, end)| (line, end, end)).collect();
        names.sort_by(|one, other| one.1.total_cmp(&other.1));
        // Each pass moves what is too near apart by half of what is lacking; some hundred passes settle a dozen names.
        for _ in 0..200 {
            for at in 1..names.len() {
                let lacking = ROW - (names[at].2 - names[at - 1].2);
                if lacking > 0.0 {
                    names[at - 1].2 -= lacking / 2.0;
                    names[at].2 += lacking / 2.0;
                }
            }
        }
        names
    }

    fn across(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - RIGHT - LEFT)
    }

    fn up(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - BOTTOM - TOP)
    }
}

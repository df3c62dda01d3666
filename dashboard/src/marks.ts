// Draws the marks of many trials on a canvas. Few are drawn smoothly, with dashes; many are set pixel by pixel, which takes a tenth of
// the time.
import { LAYERS, LOOKS, ground, rgb, type LookName, type Shape } from "./look";
import type { Trial } from "./model";
import { numbersOf, upTo } from "./numbers";

type Brush = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** The points of trials, in an axis' numbers or in pixels: those of trial `i` are from `starts[i]` to before `starts[i + 1]`. */
export interface Series {
    trials: Trial[];
    looks: LookName[];
    starts: ArrayLike<number>;
    x: ArrayLike<number>;
    y: ArrayLike<number>;
    /** For each trial, a shape at the last point of its line, if that says more than the line. */
    ends?: (Shape | null)[];
    /** For each trial, instead of the look's if it has one. */
    dashes?: (number[] | undefined)[];
    /** Colours instead of the look's, and which of them each trial has. */
    shaded?: { shades: [number, number, number][]; of: number[] };
}

/** One point for each trial. */
export function scatter(trials: Trial[], look: (trial: Trial) => LookName, x: (trial: Trial) => number, y: (trial: Trial) => number): Series {
    return { trials, looks: trials.map(look), starts: upTo(trials.length), x: numbersOf(trials, x), y: numbersOf(trials, y) };
}

/** More lines, or more points, than this are set pixel by pixel. */
export const MANY_LINES = 400;
const MANY_POINTS = 1500;
/** So many lines with so many shades can be added up. */
export const MOST_LINES = 10_000;
export const MOST_SHADES = 6;

/** The places in a series by their look, in the order in which looks are drawn. */
function layers({ looks }: Series): [LookName, number[]][] {
    const all = new Map(LAYERS.map((name): [LookName, number[]] => [name, []]));
    for (let at = 0; at < looks.length; at += 1) all.get(looks[at]!)!.push(at);
    return [...all].filter(([, places]) => places.length > 0);
}

/** The pixels of a small mark, from its centre, none of which is further than `reach` from it. */
interface Mark {
    right: Int32Array;
    down: Int32Array;
    reach: number;
}

/** An image of many marks: dots painted one over the other, and lines that are added up. */
class Pixels {
    /** Of each pixel, in the upper half how many lines cover it, in the lower half the sum of their shades. */
    private readonly sums: Int32Array;
    private readonly image: ImageData;
    /** The image's pixels, as alpha, blue, green and red from the highest byte to the lowest. */
    private readonly colours: Uint32Array;
    private first = Infinity;
    private last = -1;

    constructor(
        private readonly width: number,
        private readonly height: number,
    ) {
        this.sums = new Int32Array(width * height);
        this.image = new ImageData(width, height);
        this.colours = new Uint32Array(this.image.data.buffer);
    }

    /** Adds a line of one pixel's width between two points within the image. */
    line(x0: number, y0: number, x1: number, y1: number, shade: number): void {
        const { sums, width, height } = this;
        if (!(Math.min(x0, x1) >= 0 && Math.max(x0, x1) < width && Math.min(y0, y1) >= 0 && Math.max(y0, y1) < height)) return;
        const [dx, dy] = [x1 - x0, y1 - y0];
        const steps = Math.ceil(Math.max(Math.abs(dx), Math.abs(dy)));
        if (steps === 0) return;
        // With integers, the lower 16 bits of which are parts of pixels, a step takes half the time.
        const [right, down] = [((dx / steps) * 0x10000) | 0, ((dy / steps) * 0x10000) | 0];
        const [top, bottom] = [Math.min(y0, y1) | 0, Math.max(y0, y1) | 0];
        if (top < this.first) this.first = top;
        if (bottom > this.last) this.last = bottom;
        const one = 0x10000 + shade;
        let [x, y] = [(x0 * 0x10000) | 0, (y0 * 0x10000) | 0];
        for (let step = 0; step < steps; step += 1) {
            sums[(y >> 16) * width + (x >> 16)]! += one;
            x += right;
            y += down;
        }
    }

    /** Paints a mark around a point. */
    stamp(x: number, y: number, { right, down, reach }: Mark, colour: number): void {
        const { colours, width, height } = this;
        const [left, top] = [x | 0, y | 0];
        const whole = left >= reach && left + reach < width && top >= reach && top + reach < height;
        for (let at = 0; at < right.length; at += 1) {
            const [px, py] = [left + right[at]!, top + down[at]!];
            if (whole || (px >= 0 && px < width && py >= 0 && py < height)) colours[py * width + px] = colour;
        }
    }

    /**
     * Lays the lines that were added since the last time over the image: the more lines on a pixel, the less transparent, in the mean of
     * their shades.
     */
    layer(shades: [number, number, number][], opacity: number): void {
        const { sums, colours, width } = this;
        const { data } = this.image;
        const opacities = Array.from({ length: 256 }, (_, count) => 1 - (1 - opacity) ** count);
        const alone = shades.map((shade) => Uint32Array.from(opacities, (over) => packed(shade, over)));
        for (let place = this.first * width, end = (this.last + 1) * width; place < end; place += 1) {
            const sum = sums[place]!;
            if (sum === 0) continue;
            sums[place] = 0;
            const count = sum >>> 16;
            const many = count < 255 ? count : 255;
            const mean = Math.round((sum & 0xffff) / count);
            if (colours[place] === 0) {
                colours[place] = alone[mean]![many]!;
                continue;
            }
            const [over, shade] = [opacities[many]!, shades[mean]!];
            const at = 4 * place;
            const under = (data[at + 3]! * (1 - over)) / 255;
            const all = over + under;
            const [share, rest] = [over / all, under / all];
            data[at] = shade[0] * share + data[at]! * rest;
            data[at + 1] = shade[1] * share + data[at + 1]! * rest;
            data[at + 2] = shade[2] * share + data[at + 2]! * rest;
            data[at + 3] = 255 * all;
        }
        [this.first, this.last] = [Infinity, -1];
    }

    /** Puts the image on a canvas, over what is there, with so many pixels across for each of its own. */
    put(context: CanvasRenderingContext2D, wide = 1): void {
        const canvas = new OffscreenCanvas(this.width, this.height);
        canvas.getContext("2d")?.putImageData(this.image, 0, 0);
        context.save();
        context.setTransform(1, 0, 0, 1, 0, 0);
        context.imageSmoothingEnabled = false;
        context.drawImage(canvas, 0, 0, this.width * wide, this.height);
        context.restore();
    }
}

function packed([red, green, blue]: [number, number, number], opacity: number): number {
    return ((Math.round(255 * opacity) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function trace(context: Brush, shape: Shape, x: number, y: number, size: number): void {
    switch (shape) {
        case "disc":
        case "ring":
            context.moveTo(x + size, y);
            context.arc(x, y, size, 0, 2 * Math.PI);
            break;
        case "diamond":
            polygon(context, [[x, y - 1.3 * size], [x + 1.3 * size, y], [x, y + 1.3 * size], [x - 1.3 * size, y]]);
            break;
        case "triangle":
            polygon(context, [[x, y - 1.2 * size], [x + 1.1 * size, y + 0.9 * size], [x - 1.1 * size, y + 0.9 * size]]);
            break;
        case "cross":
            for (const side of [-1, 1]) {
                context.moveTo(x - size, y - side * size);
                context.lineTo(x + size, y + side * size);
            }
            break;
        case "square":
            context.rect(x - size, y - size, 2 * size, 2 * size);
            break;
        case "star":
            polygon(
                context,
                Array.from({ length: 10 }, (_, corner): [number, number] => {
                    const radius = corner % 2 === 0 ? 2.2 * size : size;
                    const angle = (Math.PI * (corner - 2.5)) / 5;
                    return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
                }),
            );
            break;
    }
}

function polygon(context: Brush, corners: [number, number][]): void {
    corners.forEach(([x, y], place) => (place === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    context.closePath();
}

const HOLLOW: ReadonlySet<Shape> = new Set(["ring", "cross", "square"]);

function fillShape(context: Brush, shape: Shape, x: number, y: number, size: number, colour: string): void {
    context.beginPath();
    trace(context, shape, x, y, size);
    if (HOLLOW.has(shape)) {
        context.strokeStyle = colour;
        context.lineWidth = 1.5;
        context.stroke();
    } else {
        context.fillStyle = colour;
        context.fill();
    }
}

const SIZE = 3.2;

/** Each point as the shape of its trial's look. Points that would hide each other are drawn once. */
export function drawDots(context: CanvasRenderingContext2D, series: Series, width: number, height: number, ratio: number): void {
    const { x, y, starts } = series;
    const many = x.length > MANY_POINTS;
    const pixels = many ? new Pixels(Math.round(width * ratio), Math.round(height * ratio)) : null;
    const columns = Math.ceil(width) + 1;
    for (const [name, places] of layers(series)) {
        const { shape, colours } = LOOKS[name];
        const stamp = pixels && name !== "best" ? masked(shape, ratio) : null;
        if (pixels && !stamp) pixels.put(context);
        const colour = packed(rgb(ground(colours)), 0.85);
        const taken = new Uint8Array(columns * (Math.ceil(height) + 1));
        context.globalAlpha = name === "best" ? 1 : 0.85;
        for (const place of places) {
            for (let at = starts[place]!; at < starts[place + 1]!; at += 1) {
                const [px, py] = [x[at]!, y[at]!];
                if (!(px >= 0 && px <= width && py >= 0 && py <= height)) continue;
                const cell = (py | 0) * columns + (px | 0);
                if (taken[cell]) continue;
                taken[cell] = 1;
                if (pixels && stamp) pixels.stamp(px * ratio, py * ratio, stamp, colour);
                else fillShape(context, shape, px, py, name === "best" ? 1.2 * SIZE : SIZE, ground(colours));
            }
        }
    }
    if (pixels && !series.looks.includes("best")) pixels.put(context);
    context.globalAlpha = 1;
}

function masked(shape: Shape, ratio: number): Mark {
    const half = Math.ceil(4 * ratio);
    const context = new OffscreenCanvas(2 * half, 2 * half).getContext("2d", { willReadFrequently: true });
    if (!context) return { right: Int32Array.of(0), down: Int32Array.of(0), reach: 0 };
    fillShape(context, shape, half, half, 2 * ratio, "#000");
    const { data } = context.getImageData(0, 0, 2 * half, 2 * half);
    const covered: number[] = [];
    for (let at = 0; at < 4 * half * half; at += 1) if (data[4 * at + 3]! > 100) covered.push(at);
    return {
        right: Int32Array.from(covered, (at) => (at % (2 * half)) - half),
        down: Int32Array.from(covered, (at) => Math.floor(at / (2 * half)) - half),
        reach: half,
    };
}

/** Of many lines, so many pixels across are painted as one: most lines rise slowly, and it halves the time. */
const WIDE = 2;

/** Each trial as a line through its points. */
export function drawLines(context: CanvasRenderingContext2D, series: Series, width: number, height: number, ratio: number): void {
    const pixels = series.trials.length > MANY_LINES ? new Pixels(Math.ceil((width * ratio) / WIDE), Math.round(height * ratio)) : null;
    for (const [name, places] of layers(series)) {
        if (pixels && name !== "best") {
            addUp(pixels, series, places, rgb(ground(LOOKS[name].colours)), ratio);
            continue;
        }
        pixels?.put(context, WIDE);
        for (const place of places) strokeLine(context, series, place);
    }
    if (pixels && !series.looks.includes("best")) pixels.put(context, WIDE);
}

function addUp(pixels: Pixels, series: Series, places: number[], colour: [number, number, number], ratio: number): void {
    const { starts, x, y, shaded } = series;
    const [across, down] = [ratio / WIDE, ratio];
    for (const place of places) {
        const shade = shaded?.of[place] ?? 0;
        const [first, end] = [starts[place]!, starts[place + 1]!];
        if (end - first === 1) pixels.line(x[first]! * across - 1, y[first]! * down, x[first]! * across + 1, y[first]! * down, shade);
        for (let at = first; at + 1 < end; at += 1) pixels.line(x[at]! * across, y[at]! * down, x[at + 1]! * across, y[at + 1]! * down, shade);
    }
    pixels.layer(shaded?.shades ?? [colour], Math.max(shaded ? 0.03 : 0.08, 150 / places.length));
}

function strokeLine(context: CanvasRenderingContext2D, { starts, x, y, looks, dashes, shaded, ends }: Series, place: number): void {
    const look = LOOKS[looks[place]!];
    const colour = shaded ? `rgb(${shaded.shades[shaded.of[place]!]!.join(" ")})` : ground(look.colours);
    const [first, end] = [starts[place]!, starts[place + 1]!];
    if (end === first) return;
    context.globalAlpha = look.opacity;
    context.strokeStyle = colour;
    context.lineWidth = look.width;
    context.setLineDash(dashes?.[place] ?? look.dash);
    context.beginPath();
    for (let at = first; at < end; at += 1) if (!Number.isNaN(y[at]!)) context.lineTo(x[at]!, y[at]!);
    context.stroke();
    context.setLineDash([]);
    const last = ends?.[place] ?? null;
    if (end - first === 1) fillShape(context, look.shape, x[first]!, y[first]!, 2.5, colour);
    else if (last) fillShape(context, last, x[end - 1]!, y[end - 1]!, 3, colour);
    context.globalAlpha = 1;
}

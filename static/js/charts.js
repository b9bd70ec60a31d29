// Draws the race and the equity of a bot with uPlot from the JSON beside them, and adds what is new after each swap.
// The chart's own element is never swapped, so crosshair and range stay where they are.
(() => {
  const MOST = 1600; // points kept; beyond it every second one of the older half goes
  const LABEL = 15; // pixels between two end labels
  const THIN = "\u202f";

  const colour = (name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };
  const written = (value, places) => {
    const text = Math.abs(value).toFixed(places).replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
    return value < 0 && Number(text.replaceAll(THIN, "")) !== 0 ? `−${text}` : text;
  };
  const signed = (value) => (Number(value.toFixed(2)) > 0 ? "+" : "") + written(value, 2);
  const font = (size, weight = 400) => `${weight} ${size * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");

  class Chart {
    constructor(box) {
      this.box = box;
      this.race = box.dataset.chart === "race";
      this.ranges = document.querySelector(`[data-ranges-for="${box.id}"]`);
      this.words = box.closest(".panel").querySelector("[data-range-words]");
      this.hours = 0;
      this.data = { times: [], series: [], marks: [] };
      this.text = "";
      this.tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
      this.ranges.addEventListener("click", (event) => this.choose(event.target.closest("button")));
      box.addEventListener("keydown", (event) => this.step(event));
      for (const kind of ["touchstart", "touchmove"]) box.addEventListener(kind, (event) => this.touch(event), { passive: true });
      new ResizeObserver(() => this.resize()).observe(box);
      this.read();
    }

    // --- Data

    read() {
      const source = document.getElementById(this.box.dataset.source)?.querySelector("script");
      if (!source || source.textContent === this.text) return;
      this.text = source.textContent;
      const fresh = JSON.parse(this.text);
      if (!this.race) fresh.series = [{ id: 0, name: "Equity", colour: fresh.colour, values: fresh.values }];
      if (fresh.since === null || !this.data.times.length) this.data = { marks: [], ...fresh };
      else this.add(fresh);
      this.thin();
      this.draw();
    }

    add(fresh) {
      const { times, series } = this.data;
      const last = times[times.length - 1];
      times.push(...fresh.times.filter((time) => time > last));
      for (const line of fresh.series) {
        let known = series.find((other) => other.id === line.id);
        if (!known) series.push((known = { ...line, values: [] }));
        while (known.values.length < times.length) known.values.push(null);
        fresh.times.forEach((time, i) => {
          const at = times.indexOf(time, -fresh.times.length - 1);
          if (at >= 0 && line.values[i] !== null) known.values[at] = line.values[i];
        });
      }
      for (const line of series) while (line.values.length < times.length) line.values.push(null);
      for (const mark of fresh.marks || []) {
        if (!this.data.marks.some((known) => known.at === mark.at && known.text === mark.text)) this.data.marks.push(mark);
      }
    }

    thin() {
      const { times, series } = this.data;
      if (times.length <= MOST) return;
      const keep = (_, i) => i >= times.length / 2 || i % 2 === 0;
      for (const line of series) line.values = line.values.filter(keep);
      this.data.times = times.filter(keep);
    }

    // What the chosen range shows; the race starts at zero at its left end.
    shown() {
      const { times, series } = this.data;
      const start = this.hours ? times[times.length - 1] - this.hours * 3600 : -Infinity;
      const from = Math.max(0, times.findIndex((time) => time >= start));
      const columns = series.map((line) => {
        const values = line.values.slice(from);
        if (!this.race || !this.hours) return values;
        const first = values.find((value) => value !== null);
        return values.map((value) => (value === null ? null : ((100 + value) / (100 + first) - 1) * 100));
      });
      return [times.slice(from), ...columns];
    }

    // --- Drawing

    draw() {
      const columns = this.shown();
      const enough = columns[0].length > 1;
      this.box.querySelector(".wait")?.remove();
      if (!enough) {
        this.plot?.destroy();
        this.plot = null;
        this.box.append(Object.assign(document.createElement("p"), {
          className: "wait",
          textContent: this.race ? "The race begins with the first two instants of the market." : "The line begins with the first two instants of the market.",
        }));
        return;
      }
      if (this.plot && this.plot.series.length === columns.length) this.plot.setData(columns);
      else this.build(columns);
    }

    build(columns) {
      this.plot?.destroy();
      const ink = { faint: colour("faint"), line: colour("line"), ink: colour("ink"), strong: colour("line-strong") };
      this.ink = ink;
      const used = new Map();
      const lines = this.data.series.map((line) => {
        const nth = used.get(line.colour) || 0;
        used.set(line.colour, nth + 1);
        return {
          label: line.name, stroke: colour(`bot-${line.colour}`), width: 1.75, spanGaps: true, points: { show: false },
          // More bots than colours: the second round is dashed, the third dotted.
          dash: nth % 3 === 1 ? [7, 4] : nth % 3 === 2 ? [2, 3] : undefined,
        };
      });
      const axis = { stroke: ink.faint, font: `11px ${getComputedStyle(document.body).fontFamily}`, ticks: { show: false } };
      const unit = this.race ? " %" : "";
      const places = (marks) => { const step = Math.abs(marks[1] - marks[0]) || 1; return Math.min(4, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9))); };
      this.plot = new uPlot({
        width: this.box.clientWidth, height: this.box.clientHeight, legend: { show: false },
        padding: [8, this.race ? 92 : 74, 0, 0],
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { size: 7, width: 1.5 } },
        scales: { y: { range: (_, low, high) => this.reach(low, high) } },
        series: [{}, ...lines],
        axes: [
          { ...axis, grid: { show: false }, space: 70, size: 28, values: (_, marks, __, ___, step) => marks.map((at) => this.at(at, step)) },
          { ...axis, grid: { stroke: ink.line, width: 1 }, size: this.race ? 58 : 66, space: 42,
            values: (_, marks) => marks.map((value) => written(value, marks.length > 1 ? places(marks) : 2) + unit) },
        ],
        hooks: { draw: [() => this.after()], setCursor: [() => this.point()] },
      }, columns, this.box);
      this.plot.over.append(this.tip);
      this.plot.over.addEventListener("mouseleave", () => { this.tip.hidden = true; });
    }

    reach(low, high) {
      if (low === null) return [-1, 1];
      const room = (high - low) * 0.06 || Math.abs(high) * 0.001 || 0.1;
      return [low - room, high + room];
    }

    at(seconds, step) {
      const iso = new Date(seconds * 1000).toISOString();
      if (step >= 86400 || iso.slice(11, 16) === "00:00") return `${Number(iso.slice(8, 10))} ${new Date(seconds * 1000).toLocaleString("en", { month: "short", timeZone: "UTC" })}`;
      return iso.slice(11, 16);
    }

    after() {
      const { ctx, bbox } = this.plot;
      ctx.save();
      if (this.race) this.zero(ctx, bbox);
      else this.marks(ctx);
      this.ends(ctx, bbox);
      ctx.restore();
    }

    zero(ctx, bbox) {
      const y = this.plot.valToPos(0, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) return;
      ctx.strokeStyle = this.ink.strong;
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }

    // Labels at the right end of the lines instead of a legend, moved apart where they would overlap.
    ends(ctx, bbox) {
      const [, ...columns] = this.plot.data;
      const labels = columns.flatMap((values, i) => {
        const value = values.findLast((found) => found !== null);
        return value === undefined ? [] : [{ value, line: this.data.series[i], y: this.plot.valToPos(value, "y", true) }];
      }).sort((a, b) => a.y - b.y);
      const gap = LABEL * devicePixelRatio;
      let floor = bbox.top;
      for (const label of labels) { label.y = Math.max(label.y, floor); floor = label.y + gap; }
      let ceiling = bbox.top + bbox.height;
      for (const label of labels.toReversed()) { label.y = Math.min(label.y, ceiling); ceiling = label.y - gap; }
      const left = bbox.left + bbox.width + 6 * devicePixelRatio;
      ctx.textBaseline = "middle";
      ctx.textAlign = "left";
      for (const { value, line, y } of labels) {
        ctx.fillStyle = colour(`bot-${line.colour}`);
        ctx.fillRect(left, y - 5 * devicePixelRatio, 3 * devicePixelRatio, 10 * devicePixelRatio);
        ctx.fillStyle = this.ink.ink;
        ctx.font = font(11, 650);
        if (line.monogram) ctx.fillText(line.monogram, left + 7 * devicePixelRatio, y);
        ctx.font = font(11);
        const text = this.race ? `${signed(value)} %` : written(value, 2);
        ctx.fillText(text, left + (line.monogram ? 30 : 7) * devicePixelRatio, y);
      }
    }

    // Entries and exits on the line: triangles for what was opened, a disc or a square for how it ended.
    marks(ctx) {
      const [times, values] = this.plot.data;
      const size = 4.5 * devicePixelRatio;
      for (const mark of this.data.marks) {
        const i = times.findIndex((time) => time >= mark.at);
        if (mark.at < times[0] || i < 0 || values[i] === null) continue;
        const x = this.plot.valToPos(mark.at, "x", true);
        const y = this.plot.valToPos(values[i], "y", true);
        ctx.beginPath();
        if (mark.kind === "gain") ctx.arc(x, y, size * 0.8, 0, 7);
        else if (mark.kind === "loss") ctx.rect(x - size * 0.75, y - size * 0.75, size * 1.5, size * 1.5);
        else {
          const tip = mark.kind === "long" ? -size : size;
          ctx.moveTo(x, y + tip * 1.2);
          ctx.lineTo(x - size, y - tip * 0.8);
          ctx.lineTo(x + size, y - tip * 0.8);
          ctx.closePath();
        }
        const exit = mark.kind === "gain" || mark.kind === "loss";
        ctx.fillStyle = colour(exit ? mark.kind : "panel");
        ctx.strokeStyle = exit ? colour("panel") : this.ink.ink;
        ctx.lineWidth = 1.25 * devicePixelRatio;
        ctx.fill();
        ctx.stroke();
      }
    }

    // --- Reading

    point() {
      const { idx, left } = this.plot.cursor;
      if (idx === null || idx === undefined || left < 0) { this.tip.hidden = true; return; }
      const [times, ...columns] = this.plot.data;
      const at = Object.assign(document.createElement("time"), { textContent: `${clock(times[idx])} UTC` });
      const rows = columns.map((values, i) => ({ line: this.data.series[i], value: values[idx] }))
        .filter((row) => row.value !== null && row.value !== undefined).sort((a, b) => b.value - a.value)
        .map(({ line, value }) => this.row(line, this.race ? `${signed(value)} %` : `${written(value, 2)} ${this.data.currency}`));
      const reach = (this.plot.scales.x.max - this.plot.scales.x.min) / this.plot.over.clientWidth * 6;
      const near = this.data.marks.filter((mark) => Math.abs(mark.at - times[idx]) <= reach).slice(0, 6)
        .map((mark) => Object.assign(document.createElement("div"), { textContent: mark.text }));
      this.tip.replaceChildren(at, ...rows, ...near);
      this.tip.hidden = false;
      const beyond = left > this.plot.over.clientWidth / 2;
      this.tip.style.left = beyond ? "auto" : `${left + 14}px`;
      this.tip.style.right = beyond ? `${this.plot.over.clientWidth - left + 14}px` : "auto";
      this.tip.style.top = "4px";
    }

    row(line, value) {
      const row = Object.assign(document.createElement("div"), { className: `row bot-${line.colour}` });
      const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
      const label = Object.assign(document.createElement("span"), { className: "label", textContent: line.name });
      row.append(swatch, label, Object.assign(document.createElement("b"), { textContent: value }));
      return row;
    }

    choose(button) {
      if (!button) return;
      for (const other of this.ranges.querySelectorAll("button")) other.toggleAttribute("aria-pressed", false);
      button.setAttribute("aria-pressed", "true");
      this.words.textContent = button.dataset.words;
      this.hours = Number(button.dataset.hours);
      this.draw();
    }

    step(event) {
      if (!this.plot || !["ArrowLeft", "ArrowRight", "Escape"].includes(event.key)) return;
      event.preventDefault();
      const times = this.plot.data[0];
      const last = times.length - 1;
      const now = this.plot.cursor.idx ?? last;
      if (event.key === "Escape") { this.plot.setCursor({ left: -10, top: -10 }); return; }
      const idx = Math.min(last, Math.max(0, now + (event.key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 10 : 1)));
      this.plot.setCursor({ left: this.plot.valToPos(times[idx], "x"), top: 10 });
    }

    touch(event) {
      if (!this.plot) return;
      const { left } = this.plot.over.getBoundingClientRect();
      this.plot.setCursor({ left: event.touches[0].clientX - left, top: 10 });
    }

    resize() {
      if (this.plot && this.box.clientWidth) this.plot.setSize({ width: this.box.clientWidth, height: this.box.clientHeight });
    }

    redraw() {
      if (this.plot) this.build(this.shown());
    }
  }

  const charts = [...document.querySelectorAll("[data-chart]")].map((box) => new Chart(box));
  const read = () => { for (const chart of charts) chart.read(); };
  document.addEventListener("htmx:wsAfterMessage", read);
  document.addEventListener("htmx:afterRequest", read);
  const redraw = () => { for (const chart of charts) chart.redraw(); };
  document.addEventListener("theme:changed", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();

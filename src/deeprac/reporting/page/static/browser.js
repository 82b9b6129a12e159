"use strict";

/* Case browser: NiiVue draws the CT slice; the outlines of the label maps, by
   d3-contour, lie on a canvas of the same size above it. Arrays are stored like the
   cohort: x to the patient's left, y to posterior, z to superior. */
const Browser = (() => {
  const content = JSON.parse(document.getElementById("data-browser").textContent);
  const find = (id) => document.getElementById(id);
  const STYLES = [
    { kidney: "#0096FF", tumour: "#E66100", cyst: "#CC79A7", dash: [], name: "solid" },
    { kidney: "#00F0FF", tumour: "#FFEB3B", cyst: "#FFB8DE", dash: [7, 4], name: "dashed" },
    { kidney: "#9CFF7A", tumour: "#FF7BD0", cyst: "#FFFFFF", dash: [2, 3], name: "dotted" },
  ];
  const state = {
    viewer: null,
    volume: null,
    maps: new Map(),
    slice: 0,
    size: null,
    experiments: [],
    visible: STYLES.map(() => ({ kidney: true, tumour: true, cyst: true })),
    loading: 0,
  };

  const any = () => content.cases.length > 0;
  const has = (name) => content.cases.includes(name);
  const option = (value, text) => {
    const element = document.createElement("option");
    element.value = value;
    element.textContent = text;
    return element;
  };

  const supported = () =>
    Boolean(document.createElement("canvas").getContext("webgl2"));

  /* --- the picture ------------------------------------------------------------- */

  const createViewer = async () => {
    const viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1],
      crosshairWidth: 0,
      dragAndDropEnabled: false,
      interactive: false,
      isRadiologicalConvention: true,
      logLevel: "warn",
      showAllOrientationMarkers: true,
      fontColor: [0.85, 0.85, 0.85, 1],
      fontMinPx: 17,
      sliceType: niivue.SLICE_TYPE.AXIAL,
      loadingText: "",
    });
    await viewer.attachToCanvas(find("picture"));
    return viewer;
  };

  const decoded = (base64, name) =>
    niivue.NVImage.loadFromBase64({ base64, name: `${name}.nii.gz` });

  const load = async (index) => {
    const ticket = ++state.loading;
    const volume = JSON.parse(find(`volume-${index}`).textContent);
    const image = await decoded(volume.image, "image");
    const maps = new Map();
    for (const [source, text] of [
      ["", volume.reference],
      ...Object.entries(volume.predictions),
    ]) {
      maps.set(source, (await decoded(text, "labels")).img);
    }
    if (ticket !== state.loading) return;
    const viewer = state.viewer;
    while (viewer.volumes.length) viewer.removeVolume(viewer.volumes[0]);
    viewer.addVolume(image);
    Object.assign(state, { volume, maps });
    find("slice").max = volume.size[2];
    moveTo(volume.start);
    frame();
    find("grid-note").textContent =
      volume.factor === 1
        ? "Slices have their native pixels."
        : `Slices and label maps of this case are shrunk by ${volume.factor} in ` +
          "plane: contours are as coarse as these pixels.";
    applyWindow();
  };

  const moveTo = (slice) => {
    const depth = state.volume.size[2];
    state.slice = Math.min(depth - 1, Math.max(0, slice));
    find("slice").value = state.slice + 1;
    find("slice-text").textContent = `${state.slice + 1} of ${depth}`;
    state.viewer.scene.crosshairPos = [0.5, 0.5, (state.slice + 0.5) / depth];
  };

  const showSlice = (slice) => {
    moveTo(slice);
    draw();
  };

  /* All of the slice, or the box around the reference of the whole case. */
  const frame = () => {
    const [width, height] = state.volume.size;
    const box = { left: width, right: 0, top: height, bottom: 0 };
    state.maps.get("").forEach((label, index) => {
      if (!label) return;
      const x = index % width;
      const y = Math.floor(index / width) % height;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
    });
    const [, dx, dy] = state.viewer.volumes[0].pixDims;
    const empty = box.right <= box.left;
    if (empty || !find("zoom").checked) {
      state.viewer.scene.pan2Dxyzmm = [0, 0, 0, 1];
      return;
    }
    const fitted = Math.max(width * dx, height * dy);
    const wanted = Math.max((box.right - box.left) * dx, (box.bottom - box.top) * dy);
    const zoom = Math.max(1, fitted / (1.25 * wanted));
    /* Millimetres to the patient's right and to anterior, like NiiVue's axes. */
    const right = (width / 2 - (box.left + box.right) / 2) * dx;
    const anterior = (height / 2 - (box.top + box.bottom) / 2) * dy;
    state.viewer.scene.pan2Dxyzmm = [-right, -anterior, 0, zoom];
  };

  const draw = () => {
    const stage = find("stage");
    if (!state.volume || !stage.clientWidth) return;
    const size = `${stage.clientWidth} x ${stage.clientHeight}`;
    if (size !== state.size) {
      state.size = size;
      state.viewer.resizeListener();
    }
    state.viewer.drawScene();
    drawContours();
  };

  /* --- contours ---------------------------------------------------------------- */

  const sliceMask = (map, label) => {
    const [width, height] = state.volume.size;
    const start = state.slice * width * height;
    const mask = new Float32Array(width * height);
    for (let i = 0; i < mask.length; i += 1) mask[i] = map[start + i] === label;
    return mask;
  };

  /* Position on the canvas of a point of the slice, in pixels from its corner: from
     where two points of the canvas lie. NiiVue's fractions grow to the right and to
     anterior. */
  const placement = (canvas) => {
    const [width, height] = state.volume.size;
    const [near, far] = [0.45, 0.55].map((share) => {
      const at = [canvas.width * share, canvas.height * share];
      const [right, anterior] = state.viewer.canvasPos2frac(at);
      return { at, point: [(1 - right) * width, (1 - anterior) * height] };
    });
    return (point) =>
      point.map((value, axis) => {
        const share =
          (value - near.point[axis]) / (far.point[axis] - near.point[axis]);
        return near.at[axis] + share * (far.at[axis] - near.at[axis]);
      });
  };

  const drawContours = () => {
    const picture = find("picture");
    const canvas = find("contours");
    canvas.width = picture.width;
    canvas.height = picture.height;
    const context = canvas.getContext("2d");
    const place = placement(canvas);
    const [width, height] = state.volume.size;
    const outlines = d3.contours().size([width, height]).thresholds([0.5]);
    const scale = picture.width / picture.clientWidth;
    const [left, top, across, down] = state.viewer.screenSlices[0].leftTopWidthHeight;
    context.beginPath();
    context.rect(left, top, across, down);
    context.clip();
    ["", ...state.experiments].forEach((source, row) => {
      const map = state.maps.get(source);
      if (!map || (row > 0 && source === "")) return;
      for (const [label, number] of Object.entries(content.labels)) {
        if (!state.visible[row][label]) continue;
        context.strokeStyle = STYLES[row][label];
        context.lineWidth = 1.8 * scale;
        context.setLineDash(STYLES[row].dash.map((length) => length * scale));
        context.beginPath();
        for (const polygon of outlines(sliceMask(map, number))[0].coordinates) {
          for (const ring of polygon) {
            ring.forEach((point, i) =>
              i ? context.lineTo(...place(point)) : context.moveTo(...place(point)),
            );
            context.closePath();
          }
        }
        context.stroke();
      }
    });
  };

  /* --- controls ---------------------------------------------------------------- */

  const [low, high] = content.window;
  const [lowest, highest] = content.span;
  const current = { level: (low + high) / 2, width: high - low };
  const PRESETS = [
    ["As the figures", low, high],
    ["Narrow", low + (high - low) / 4, high - (high - low) / 4],
    ["All values", lowest, highest],
  ];

  const applyWindow = () => {
    find("level").value = Math.round(current.level);
    find("width").value = Math.round(current.width);
    const image = state.viewer.volumes[0];
    image.cal_min = current.level - current.width / 2;
    image.cal_max = current.level + current.width / 2;
    state.viewer.updateGLVolume();
    draw();
  };

  const setWindow = (level, width) => {
    if (!Number.isFinite(level) || !(width >= 1)) return;
    Object.assign(current, { level, width });
    applyWindow();
  };

  const caseName = () => find("case").value;

  const diceTable = () => {
    const head = find("dice-head");
    const body = find("dice-rows");
    const labels = [...new Set(content.dice.map((entry) => entry[2]))];
    const cell = (kind, text, scope) => {
      const element = document.createElement(kind);
      element.textContent = text;
      if (scope) element.scope = scope;
      return element;
    };
    head.replaceChildren(
      ...["Method", ...labels].map((label) =>
        cell("th", label.replaceAll("_", " "), "col"),
      ),
    );
    const chosen = state.experiments.filter((name) => name !== "");
    body.replaceChildren(
      ...chosen.map((experiment) => {
        const row = document.createElement("tr");
        const values = labels.map((label) => {
          const found = content.dice.find(
            (entry) =>
              entry[0] === caseName() && entry[1] === experiment && entry[2] === label,
          );
          return cell("td", found ? found[3] : "-");
        });
        row.replaceChildren(
          cell("th", content.experiments[experiment], "row"),
          ...values,
        );
        return row;
      }),
    );
  };

  const chooseCase = async (name) => {
    find("case").value = name;
    diceTable();
    await load(content.cases.indexOf(name));
  };

  const step = (by) => {
    const count = content.cases.length;
    const here = content.cases.indexOf(caseName());
    chooseCase(content.cases[(here + by + count) % count]);
  };

  const swatch = (row, label) => {
    const box = document.createElement("label");
    const input = document.createElement("input");
    input.type = "checkbox";
    input.checked = true;
    input.id = `show-${row}-${label}`;
    const source = row === 0 ? "reference" : `method ${row}`;
    input.setAttribute("aria-label", `${label} of ${source}`);
    input.addEventListener("change", () => {
      state.visible[row][label] = input.checked;
      draw();
    });
    const line = document.createElement("span");
    line.className = `line ${STYLES[row].name}`;
    line.style.borderColor = STYLES[row][label];
    box.append(input, line);
    return box;
  };

  const contourRow = (row) => {
    const line = document.createElement("tr");
    const source = document.createElement("th");
    source.scope = "row";
    if (row === 0) {
      source.textContent = "Reference";
    } else {
      const select = document.createElement("select");
      select.id = `method-${row}`;
      select.setAttribute("aria-label", `Method ${row}`);
      const names = Object.entries(content.experiments);
      select.append(option("", "none"), ...names.map(([n, text]) => option(n, text)));
      select.value = state.experiments[row - 1];
      select.addEventListener("change", () => {
        state.experiments[row - 1] = select.value;
        diceTable();
        draw();
      });
      source.append(select);
    }
    line.append(source);
    for (const label of Object.keys(content.labels)) {
      const cell = document.createElement("td");
      cell.append(swatch(row, label));
      line.append(cell);
    }
    return line;
  };

  const connectStage = () => {
    const stage = find("stage");
    stage.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        showSlice(state.slice + Math.sign(event.deltaY));
      },
      { passive: false },
    );
    stage.addEventListener("keydown", (event) => {
      const moves = {
        ArrowUp: 1,
        ArrowRight: 1,
        PageUp: 5,
        ArrowDown: -1,
        ArrowLeft: -1,
        PageDown: -5,
      };
      if (!(event.key in moves)) return;
      event.preventDefault();
      showSlice(state.slice + moves[event.key]);
    });
    let from = null;
    stage.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, ...current };
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!from) return;
      const perPixel = (high - low) / 400;
      setWindow(
        from.level + (event.clientY - from.y) * perPixel,
        Math.max(1, from.width + (event.clientX - from.x) * perPixel),
      );
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      stage.addEventListener(kind, () => (from = null));
    }
    /* A hidden tab has no size, and NiiVue makes its canvas as small. */
    const resized = () => {
      state.size = null;
      draw();
    };
    new ResizeObserver(() => requestAnimationFrame(resized)).observe(stage);
  };

  const connectControls = () => {
    find("case").append(...content.cases.map((name) => option(name, name)));
    find("case").addEventListener("change", () => chooseCase(caseName()));
    find("previous-case").addEventListener("click", () => step(-1));
    find("next-case").addEventListener("click", () => step(1));
    find("slice").addEventListener("input", (event) =>
      showSlice(Number(event.target.value) - 1),
    );
    find("zoom").addEventListener("change", () => {
      frame();
      draw();
    });
    for (const [title, from, to] of PRESETS) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = title;
      button.addEventListener("click", () => setWindow((from + to) / 2, to - from));
      find("presets").append(button);
    }
    for (const name of ["level", "width"]) {
      find(name).addEventListener("change", () =>
        setWindow(Number(find("level").value), Number(find("width").value)),
      );
    }
    find("contour-rows").append(...STYLES.map((_, row) => contourRow(row)));
    find("show-rows").addEventListener("click", async () => {
      await Tabs.open("cases");
      Tables.filter("cases", { Case: caseName() });
    });
  };

  const connect = () => {
    if (!any()) return;
    state.experiments = [Object.keys(content.experiments)[0], ""];
    connectControls();
    connectStage();
  };

  /* WebGL starts when the tab is first open, and never without WebGL2. */
  let ready = null;
  const prepare = async () => {
    state.viewer = await createViewer();
    await chooseCase(caseName() || content.cases[0]);
  };

  const start = () => {
    if (!any()) return null;
    if (!supported()) {
      find("no-webgl").hidden = false;
      find("viewer").hidden = true;
      return null;
    }
    ready = ready || prepare();
    return ready;
  };

  const show = async (name, experiment) => {
    await Tabs.open("browser");
    if (!state.viewer) return;
    state.experiments[0] = experiment;
    find("method-1").value = experiment;
    await chooseCase(name);
    find("stage").focus();
  };

  return { any, connect, has, show, start, state };
})();

// The selector: builds.json in, what the template would render out. The first part is pure and knows no page;
// tests compare it with the template for every choice. Names of answers are those of the template's questions.

const TEMPLATE = "gh:org/torch-uv-template";
const ADOPT = "https://raw.githubusercontent.com/org/torch-uv-template/HEAD/scripts/adopt.py";
const PYTHON = "3.12"; // the default answer, as copier.yml has it

// What can be had ------------------------------------------------------------------------------------------------

/** The answers that the template gives where a person gives none. */
export function defaults(table) {
  return {
    python_version: PYTHON,
    accelerator: "cpu",
    torch_version: null, // the newest for both
    platforms: Object.keys(table.platforms).filter((name) => table.platforms[name].default),
    companions: [],
    mirror: "official",
    pypi_mirror: null, // the site of `mirror`
  };
}

/** The PyPI mirror that goes with a mirror of PyTorch. */
export const siteOf = (table, mirror) => (mirror in table.pypi_mirrors ? mirror : "official");

const wheels = (table, version, python) => table.releases[version].wheels[python] ?? {};

/** What to use instead: the next newer candidate of the family, else an older one, else cpu. */
function nearest(table, key, candidates) {
  const all = Object.keys(table.accelerators);
  const siblings = all.filter((other) => table.accelerators[other].family === table.accelerators[key].family);
  const at = siblings.indexOf(key);
  const order = [...siblings.slice(at + 1), ...siblings.slice(0, at).reverse()];
  return order.find((other) => candidates.includes(other)) ?? "cpu";
}

/** The newest Python with wheels of a release for an accelerator. */
const lastPython = (table, version, key) =>
  Object.keys(table.releases[version].wheels).findLast((python) => key in table.releases[version].wheels[python]);

const use = (question, value) => ({ kind: "use", question, value });
const leave = (question, value, named = false) => ({ kind: "leave", question, value, named });
const add = (value) => ({ kind: "add", question: "platforms", value });

// A problem is a claim, by the name of its sentence, and the ways out of it.

export function acceleratorProblem(table, { python_version }, key) {
  const candidates = Object.keys(table.defaults[python_version]);
  if (candidates.includes(key)) return null;
  const newest = table.accelerators[key].releases[0];
  return {
    claim: ["noWheels", key, python_version],
    ways: [use("accelerator", nearest(table, key, candidates)), use("python_version", lastPython(table, newest, key))],
  };
}

export function torchProblem(table, { python_version, accelerator }, version) {
  const here = Object.keys(wheels(table, version, python_version));
  if (here.includes(accelerator)) return null;
  const elsewhere = table.accelerators[accelerator].releases.includes(version);
  const instead = nearest(table, accelerator, here);
  const ways = [use("torch_version", table.defaults[python_version][accelerator])];
  if (elsewhere) ways.push(use("python_version", lastPython(table, version, accelerator)));
  else if (here.includes(instead)) ways.push(use("accelerator", instead));
  return { claim: ["noBuild", version, accelerator, elsewhere ? python_version : ""], ways };
}

/** Whether a companion has no wheels of a build, for no machine. */
function companionLacks(table, name, version, python, key) {
  const companion = table.releases[version].companions[name];
  const gone = companion?.without[python]?.[key] ?? [];
  return !companion || (wheels(table, version, python)[key] ?? []).every((platform) => gone.includes(platform));
}

export function companionProblem(table, { python_version, accelerator, torch_version }, name) {
  if (!companionLacks(table, name, torch_version, python_version, accelerator)) return null;
  const ways = [leave("companions", [name])];
  const companion = table.releases[torch_version].companions[name];
  if (!companion) {
    const having = Object.keys(table.releases).find(
      (version) => !companionLacks(table, name, version, python_version, accelerator),
    );
    if (having) ways.push(use("torch_version", having));
    return { claim: ["noCompanion", name, torch_version], ways };
  }
  const all = table.releases[torch_version].wheels;
  const pythons = Object.keys(all).filter((python) => !companionLacks(table, name, torch_version, python, accelerator));
  const others = Object.keys(all[python_version]).filter(
    (key) => !companionLacks(table, name, torch_version, python_version, key),
  );
  const instead = nearest(table, accelerator, others);
  if (pythons.length) ways.push(use("python_version", pythons.at(-1)));
  else if (others.includes(instead) && instead !== accelerator) ways.push(use("accelerator", instead));
  const python = pythons.length ? python_version : "";
  return { claim: ["companionLacks", name, companion.version, accelerator, python], ways };
}

/** What the menu says beside a companion that can be chosen. */
export function companionRemark(table, { torch_version }, name) {
  const { version } = table.releases[torch_version].companions[name];
  return [name === "torchaudio" && Number(version.split(".")[1]) > 8 ? "needsCodec" : "version", version];
}

export function platformProblem(table, { torch_version }, platform) {
  const ends = (version) => !Object.values(table.releases[version].macos).flat().includes(platform);
  if (table.platforms[platform].system !== "macos" || !ends(torch_version)) return null;
  const last = Object.keys(table.releases).find((version) => !ends(version));
  return { claim: ["platformEnds", platform, last], ways: [leave("platforms", [platform]), use("torch_version", last)] };
}

/** Platform -> what has no wheels there: the build, or companions. macOS takes PyPI's, whatever the accelerator. */
function lacking(table, { python_version, accelerator, torch_version, companions }) {
  const release = table.releases[torch_version];
  const here = [...(wheels(table, torch_version, python_version)[accelerator] ?? []), ...(release.macos[python_version] ?? [])];
  const without = (name) => release.companions[name].without[python_version]?.[accelerator] ?? [];
  const rows = Object.keys(table.platforms).map((platform) => [
    platform,
    [...(here.includes(platform) ? [] : [accelerator]), ...companions.filter((name) => without(name).includes(platform))],
  ]);
  return Object.fromEntries(rows.filter(([, missing]) => missing.length));
}

/** The project's platforms: those with all wheels. A GPU build needs one that is not a Mac. */
function environmentsOf(table, answers) {
  const { python_version, accelerator, torch_version, platforms } = answers;
  const onPypi = table.releases[torch_version].macos[python_version] ?? [];
  const missing = lacking(table, answers);
  const left = Object.keys(table.platforms).filter((name) => platforms.includes(name) && !(name in missing));
  return accelerator === "cpu" || left.some((name) => !onPypi.includes(name)) ? left : [];
}

function platformsProblem(table, answers) {
  if (environmentsOf(table, answers).length) return null;
  const { python_version, accelerator, torch_version, platforms, companions } = answers;
  const missing = lacking(table, answers);
  const gone = platforms.flatMap((platform) => missing[platform] ?? []);
  const without = companions.filter((name) => gone.includes(name));
  const possible = wheels(table, torch_version, python_version)[accelerator].filter((platform) => !(platform in missing));
  return {
    claim: ["noPlatform", platforms, accelerator, torch_version, without, python_version],
    ways: [...possible.map(add), ...(without.length ? [leave("companions", without, true)] : [])],
    waysFirst: true,
  };
}

/** What the menu says beside a platform that can be chosen. */
export function platformRemark(table, answers, platform) {
  const { python_version, accelerator, torch_version } = answers;
  const release = table.releases[torch_version];
  const missing = lacking(table, answers)[platform];
  if (missing) {
    const reason = release.left_out[missing[0]]?.[platform];
    return reason ? ["leftOut", reason] : ["dropsOut", missing, python_version];
  }
  if (!(release.macos[python_version] ?? []).includes(platform)) return null;
  return ["fromPypi", accelerator === "cpu" ? "" : accelerator, release.macos_oldest > 11 ? release.macos_oldest : ""];
}

/** What a mirror may lack, as far as is known. */
export function mayLack(table, { accelerator, torch_version }, key) {
  const mirror = table.mirrors[key];
  const order = Object.keys(table.releases);
  const newer = order.slice(0, Math.max(order.indexOf(mirror.newest), 0));
  const lacks = mirror.accelerators && !mirror.accelerators.includes(accelerator) ? [accelerator] : [];
  return newer.includes(torch_version) ? [...lacks, `torch ${torch_version}`] : lacks;
}

/** What the template would refuse of answers: the first question that it would stop at -> its problems. */
export function problems(table, answers) {
  const accelerator = acceleratorProblem(table, answers, answers.accelerator);
  if (accelerator) return { accelerator: [accelerator] };
  const torch = torchProblem(table, answers, answers.torch_version);
  if (torch) return { torch_version: [torch] };
  const companions = answers.companions.map((name) => companionProblem(table, answers, name)).filter(Boolean);
  if (companions.length) return { companions };
  const single = answers.platforms.map((name) => platformProblem(table, answers, name));
  const platforms = [...single, platformsProblem(table, answers)].filter(Boolean);
  return platforms.length ? { platforms } : {};
}

// What is rendered -----------------------------------------------------------------------------------------------

/** The Python chosen and the newer ones with all wheels on all machines, as uv takes them. */
function requiresPython(table, answers, environments) {
  const { python_version, accelerator, torch_version, companions } = answers;
  const release = table.releases[torch_version];
  const covered = [];
  const gaps = [];
  for (const python of table.pythons.slice(table.pythons.indexOf(python_version))) {
    const having = [...(wheels(table, torch_version, python)[accelerator] ?? []), ...(release.macos[python] ?? [])];
    const gone = companions.flatMap((name) => release.companions[name].without[python]?.[accelerator] ?? []);
    const whole = environments.every((platform) => having.includes(platform) && !gone.includes(platform));
    (whole ? covered : gaps).push(python);
  }
  const minor = (python) => Number(python.slice(2));
  const last = minor(covered.at(-1));
  const holes = gaps.filter((python) => minor(python) < last).map((python) => `!=${python}.*`);
  return [`>=${python_version}`, `<3.${last + 1}`, ...holes].join(",");
}

/** The lines of a pyproject.toml, for answers without a problem. */
export function block(table, answers) {
  const { accelerator, torch_version, companions } = answers;
  const release = table.releases[torch_version];
  const environments = environmentsOf(table, answers);
  const triton = release.triton[table.accelerators[accelerator].family];
  const mirror = table.mirrors[answers.mirror];
  const pypi = answers.pypi_mirror === "official" ? null : table.pypi_mirrors[answers.pypi_mirror];
  const list = (items) => items.map((item) => `    "${item}",`);
  const index = (name, url, flat, key) => [
    "[[tool.uv.index]]",
    `name = "${name}"`,
    `url = "${url}"`,
    ...(flat ? ['format = "flat"'] : []),
    `${key} = true`,
    "",
  ];
  return [
    "[project]",
    `requires-python = "${requiresPython(table, answers, environments)}"`,
    "dependencies = [",
    ...list([
      `torch==${torch_version}`,
      ...companions.map((name) => `${name}==${release.companions[name].version}`),
      ...(triton ? [`${triton}; sys_platform != 'darwin'`] : []),
      ...release.numpy,
    ]),
    "]",
    "",
    "[tool.uv]",
    ...(pypi ? [`python-install-mirror = "${table.python_mirror}"`] : []),
    "environments = [",
    ...list(environments.map((name) => table.platforms[name].marker)),
    "]",
    "",
    ...(pypi ? index("pypi", pypi.url, false, "default") : []),
    ...index("pytorch", mirror.url.replaceAll("{accelerator}", accelerator), mirror.format === "flat", "explicit"),
    "[tool.uv.sources]",
    ...[...(triton ? [triton] : []), "torch", ...table.companions].map(
      (name) => `${name} = [{ index = "pytorch", marker = "sys_platform != 'darwin'" }]`,
    ),
    "",
  ].join("\n");
}

/** The commands that give the same: for a new project, for one from the template, for one that is to adopt it. */
export function commands(table, answers, language = "en") {
  const usual = defaults(table);
  usual.torch_version = table.defaults[answers.python_version][answers.accelerator];
  usual.pypi_mirror = siteOf(table, answers.mirror);
  const data = (names) =>
    names.map((name) => {
      const value = answers[name];
      return ` --data ${Array.isArray(value) ? `'${name}=${JSON.stringify(value).replaceAll(",", ", ")}'` : `${name}=${value}`}`;
    });
  const different = Object.keys(usual).filter((name) => JSON.stringify(answers[name]) !== JSON.stringify(usual[name]));
  // A project keeps answers that are not named, so the mirror of PyPI must be named too.
  const build = ["python_version", "accelerator", "torch_version", ...(different.includes("mirror") ? ["pypi_mirror"] : [])];
  const named = data(Object.keys(usual).filter((name) => build.includes(name) || different.includes(name))).join("");
  const readme = language === "zh" ? " --data language=zh" : "";
  return {
    copy: `uvx copier copy --defaults${data(different).join("")}${readme} ${TEMPLATE} myproj`,
    update: `uvx copier update --defaults --vcs-ref=:current:${named}`,
    adopt: `uv run ${ADOPT}${named}`,
  };
}

// Which build a GPU needs ----------------------------------------------------------------------------------------

/** All GPUs: `name` as it is shown, with its row of the table. */
export const gpusOf = (table) =>
  table.cards.flatMap((row) =>
    row.cards.map((card) => ({ name: card.startsWith(row.maker) ? card : `${row.maker} ${card}`, row })),
  );

/** The GPUs that fit a text best: those with most of its words, a number among them if there is one. */
export function search(gpus, text) {
  const squash = (name) => name.toLowerCase().replace(/[^a-z0-9+]/g, "");
  const words = text.split(/\s+/).map(squash).filter(Boolean);
  const numbers = words.filter((word) => /\d/.test(word));
  const count = (name, list) => list.filter((word) => squash(name).includes(word)).length;
  const scored = gpus
    .filter(({ name }) => !numbers.length || count(name, numbers))
    .map((gpu) => [count(gpu.name, words), gpu]);
  const best = Math.max(1, ...scored.map(([score]) => score));
  return scored.filter(([score]) => score === best).map(([, gpu]) => gpu);
}

/** The platform of the machine that a GPU is in. */
function placeOf(row, system) {
  if (row.systems?.includes("macos")) return "macos-arm64";
  return row.machine === "aarch64" ? "linux-aarch64" : `${system}-x86_64`;
}

function hasCode(table, row, key, version) {
  if (row.family !== table.accelerators[key].family) return false;
  if (row.archs) {
    const here = table.releases[version].archs[key]?.[row.machine ?? "x86_64"] ?? [];
    return row.archs.some((arch) => here.includes(arch));
  }
  const order = Object.keys(table.releases);
  return row.accelerators.includes(key) && order.indexOf(version) <= order.indexOf(row.torch);
}

const newEnough = (driver, floor) => {
  const [ours, needed] = [driver, floor].map((text) => text.split(".").map(Number));
  const at = needed.findIndex((number, place) => number !== (ours[place] ?? 0));
  return at < 0 || (ours[at] ?? 0) > needed[at];
};

/** What keeps a GPU from using a build: "code", "driver" or "place"; nothing if it can. */
export function obstacle(table, gpu, { driver, system, python_version }, key, version) {
  const floor = table.accelerators[key].drivers[system];
  if (!hasCode(table, gpu.row, key, version)) return "code";
  if (!(wheels(table, version, python_version)[key] ?? []).includes(placeOf(gpu.row, system))) return "place";
  return driver && floor && !newEnough(driver, floor) ? "driver" : "";
}

/** The build for a machine: the first in the template's order that its GPU and its driver can use, and why. */
export function recommend(table, machine) {
  const { gpu, driver, system, python_version } = machine;
  const usual = table.defaults[python_version];
  const take = (accelerator, why, torch_version = usual[accelerator]) => ({ accelerator, torch_version, why });
  if (!gpu) return take("cpu", ["anyMachine"]);
  if (!gpu.row) return take("cpu", ["noGpu"]);
  const { row, name } = gpu;
  const code = row.capability ? ["capability", row.capability] : row.architecture ? ["plain", row.architecture] : null;
  if (row.family === "cpu") return take("cpu", ["apple", name]);
  if (row.own_builds) return take("cpu", ["ownBuilds", name, row.maker]);
  if (row.systems && !row.systems.includes(system)) return take("cpu", ["notThere", name, row.family, system]);
  const keys = Object.keys(usual).filter((key) => table.accelerators[key].family === row.family);
  const passed = [];
  for (const key of keys) {
    const why = obstacle(table, gpu, machine, key, usual[key]);
    if (!why) return take(key, ["runs", key, usual[key], name, code, table.accelerators[key].drivers[system], driver, passed]);
    passed.push([why, key]);
  }
  for (const key of keys) {
    const version = table.accelerators[key].releases.find((other) => !obstacle(table, gpu, machine, key, other));
    const floor = table.accelerators[key].drivers[system];
    if (version) return take(key, ["runs", key, version, name, code, floor, driver, passed], version);
  }
  const floors = passed.filter(([why]) => why === "driver").map(([, key]) => table.accelerators[key].drivers[system]);
  if (floors.length) return take("cpu", ["oldDriver", name, driver, floors.sort((a, b) => (newEnough(a, b) ? 1 : -1))[0]]);
  const somewhere = passed.some(([why]) => why === "place");
  return take("cpu", somewhere ? ["notThere", name, row.family, placeOf(row, system)] : ["noCode", name, code, row.family]);
}

// Words ----------------------------------------------------------------------------------------------------------

const CODES = {
  en: { capability: (number) => ` (compute capability ${number})`, plain: (name) => ` (${name})` },
  zh: { capability: (number) => `（计算能力 ${number}）`, plain: (name) => `（${name}）` },
};
const FAMILIES = { cpu: "CPU", cuda: "CUDA", rocm: "ROCm", xpu: "XPU" };

// English problems are the template's words; tests compare them.
const SAY = {
  en: {
    or: " or ",
    colon: ": ",
    use: (text, first) => (first ? "use " : "") + text,
    leave: ({ question, value, named }) => `leave ${named ? value.join(" and ") : "it"} out of ${question}`,
    add: (value, first) => (first ? "add " : "") + value,
    noWheels: (key, python) => `${key} has no wheels for Python ${python}`,
    noBuild: (version, key, python) => `torch ${version} has no ${key} build${python && ` for Python ${python}`}`,
    companionLacks: (name, version, key, python) => `${name} ${version} has no ${key} wheels${python && ` for Python ${python}`}`,
    noCompanion: (name, version) => `no ${name} is known to fit torch ${version}`,
    version: (version) => version,
    needsCodec: (version) => `${version}; loading and saving files needs torchcodec`,
    platformEnds: (platform, version) => `${platform} ends with torch ${version}`,
    noPlatform: (platforms, key, version, without, python) =>
      !platforms.length ? "no platform is chosen"
        : `${platforms.join(" and ")} ${platforms.length > 1 ? "have" : "has"} no ${key} wheels of torch ${version}${without.length ? ` with ${without.join(" and ")}` : ""} for Python ${python}`,
    leftOut: (reason) => `drops out: ${reason}`,
    dropsOut: (missing, python) => `drops out: no ${missing.join(" and ")} wheels for Python ${python} there`,
    fromPypi: (key, oldest) => `PyPI's wheels${key && `, without ${key}`}${oldest && `, macOS ${oldest} or newer`}`,
    mayLack: (items) => `, may lack ${items.join(" and ")}`,
    anyMachine: () => "cpu runs on every machine. Name your GPU to get the build for it.",
    noGpu: () => "Without a GPU the CPU build is right, and the smallest.",
    apple: (name) => `On a Mac PyTorch comes from PyPI and uses the GPU of the ${name}, as the device mps. Other machines get the CPU build with cpu.`,
    ownBuilds: (name, maker) => `PyTorch's builds for Arm are not for the ${name}: ${maker} publishes builds of its own for it. On its CPU, cpu works.`,
    notThere: (name, family, place) => `PyTorch publishes no ${FAMILIES[family]} build for the ${name} on ${place}. cpu works there.`,
    noCode: (name, code, family) => `No ${FAMILIES[family]} build that fits has code for the ${name}${code ? CODES.en[code[0]](code[1]) : ""}. cpu works there.`,
    oldDriver: (name, driver, floor) => `Driver ${driver} is too old for every build with code for the ${name}: update it to ${floor} or newer, or stay with cpu.`,
    runs: (key, version, name, code, floor, driver, passed) =>
      [
        `${key} has torch ${version} and runs on the ${name}${code ? CODES.en[code[0]](code[1]) : ""}.`,
        floor && `It needs driver ${floor} or newer${driver ? `; yours is ${driver}` : ""}.`,
        ...["code", "driver", "place"].map((why) => {
          const keys = passed.filter(([other]) => other === why).map(([, other]) => other);
          const many = keys.length > 1;
          const said = {
            code: many ? "have no code for it" : "has no code for it",
            driver: many ? "need a newer driver" : "needs a newer driver",
            place: many ? "have no wheels there" : "has no wheels there",
          };
          return keys.length && `${keys.slice(0, -1).join(", ")}${many ? " and " : ""}${keys.at(-1)} ${said[why]}.`;
        }),
      ].filter(Boolean).join(" "),
    misfit: (key, version, name, why, floor) =>
      `${key} with torch ${version} ${{ code: `has no code for the ${name}`, driver: `needs driver ${floor} or newer`, place: `has no wheels for the machine of the ${name}` }[why]}.`,
  },
  zh: {
    or: "，或",
    colon: "：",
    use: (text, first) => (first ? "改用 " : "") + text,
    leave: ({ value, named }) => `不选${named ? ` ${value.join("、")}` : "它"}`,
    add: (value, first) => (first ? "请加上 " : "") + value,
    noWheels: (key, python) => `${key} 没有 Python ${python} 的安装包`,
    noBuild: (version, key, python) => `torch ${version} 没有${python && ` Python ${python} 的`} ${key} 构建`,
    companionLacks: (name, version, key, python) => `${name} ${version} 没有${python && ` Python ${python} 的`} ${key} 安装包`,
    noCompanion: (name, version) => `没有与 torch ${version} 配套的 ${name}`,
    version: (version) => version,
    needsCodec: (version) => `${version}；读写音频文件需要 torchcodec`,
    platformEnds: (platform, version) => `${platform} 只支持到 torch ${version}`,
    noPlatform: (platforms, key, version, without, python) =>
      `${platforms.length ? `${platforms.join("、")} ` : "没有选平台，"}没有 torch ${version}${without.map((name) => `、${name}`).join("")} 在 Python ${python} 上的 ${key} 安装包`,
    leftOut: (reason) => `不在项目里：${reason}`,
    dropsOut: (missing, python) => `不在项目里：没有 Python ${python} 的 ${missing.join("、")} 安装包`,
    fromPypi: (key, oldest) => `用 PyPI 的安装包${key && `，不带 ${key}`}${oldest && `，需要 macOS ${oldest} 或更新`}`,
    mayLack: (items) => `，可能缺少 ${items.join("、")}`,
    anyMachine: () => "cpu 在任何机器上都能运行。填写 GPU 型号，就能得到适合它的构建。",
    noGpu: () => "没有 GPU 就用 CPU 构建，它也最小。",
    apple: (name) => `在 Mac 上 PyTorch 来自 PyPI，通过 mps 设备使用 ${name} 的 GPU；选 cpu，其他机器就用 CPU 构建。`,
    ownBuilds: (name, maker) => `PyTorch 的 Arm 构建不适用于 ${name}，请用 ${maker} 自己发布的构建；只用 CPU 时可以选 cpu。`,
    notThere: (name, family, place) => `PyTorch 没有为 ${place} 上的 ${name} 发布 ${FAMILIES[family]} 构建，可以用 cpu。`,
    noCode: (name, code, family) => `可选的 ${FAMILIES[family]} 构建都不支持 ${name}${code ? CODES.zh[code[0]](code[1]) : ""}，可以用 cpu。`,
    oldDriver: (name, driver, floor) => `对支持 ${name} 的所有构建来说，驱动 ${driver} 都太旧：请升级到 ${floor} 或更新，或者用 cpu。`,
    runs: (key, version, name, code, floor, driver, passed) =>
      [
        `${key} 有 torch ${version}，支持 ${name}${code ? CODES.zh[code[0]](code[1]) : ""}。`,
        floor && `需要驱动 ${floor} 或更新${driver ? `，你的是 ${driver}` : ""}。`,
        ...["code", "driver", "place"].map((why) => {
          const keys = passed.filter(([other]) => other === why).map(([, other]) => other);
          return keys.length && `${keys.join("、")} ${{ code: "不支持它", driver: "需要更新的驱动", place: "在那里没有安装包" }[why]}。`;
        }),
      ].filter(Boolean).join(""),
    misfit: (key, version, name, why, floor) =>
      `torch ${version} 的 ${key} ${{ code: `不支持 ${name}`, driver: `需要驱动 ${floor} 或更新`, place: `没有适合 ${name} 所在机器的安装包` }[why]}。`,
  },
};

const wayText = (say, way, first) => {
  if (way.kind === "leave") return say.leave(way);
  if (way.kind === "add") return say.add(way.value, first);
  return say.use(`${way.question}=${way.value}`, first);
};

/** A problem as pieces: text, and ways out, which can be followed. */
function pieces(problem, language) {
  const say = SAY[language];
  const [name, ...facts] = problem.claim;
  const ways = problem.ways.flatMap((way, place) => {
    const first = place === 0 || problem.ways[place - 1].kind !== way.kind;
    const piece = { text: wayText(say, way, first), way };
    return place ? [say.or, piece] : [piece];
  });
  const claim = say[name](...facts);
  return problem.waysFirst ? [...ways, say.colon, claim] : [claim, say.colon, ...ways];
}

/** A problem as one line; in English it is the template's. */
export const sentence = (problem, language = "en") =>
  pieces(problem, language).map((piece) => piece.text ?? piece).join("");

export const remark = (parts, language = "en") => SAY[language][parts[0]](...parts.slice(1));

const TEXTS = {
  en: {
    nav: "Page",
    all: "All builds",
    title: "Which PyTorch?",
    lead: "Name your GPU, or choose for yourself: only builds that PyTorch publishes can be chosen. Then copy a command of the Copier template, or lines for your pyproject.toml.",
    choices: "Choices",
    machine: "Your machine",
    gpu: "GPU",
    gpus: "GPUs",
    gpuHint: "4090, 7900 XTX, M3 …",
    none: "No GPU",
    unknown: "No GPU of this name is known here.",
    driver: "NVIDIA driver",
    optional: "optional",
    system: "System",
    accelerator: "Accelerator",
    release: "Release of PyTorch",
    companions: "Companions",
    platforms: "Platforms",
    dropping: "On a platform that drops out, uv sync stops with an error and installs no other build.",
    mirrors: "Mirrors",
    mirror: "PyTorch comes from",
    pypiMirror: "Everything else comes from",
    pypi: "PyPI itself",
    mirrorHint: "For an index of your own, or a folder of wheels, answer “custom” to the template.",
    families: { cpu: "CPU", cuda: "NVIDIA", rocm: "AMD", xpu: "Intel" },
    driverFrom: (floors) => `, driver ${floors.linux} or newer (Windows: ${floors.windows})`,
    recommended: "recommended",
    usual: "the default",
    newest: (key, python, version) => `With ${key} and Python ${python} the default is ${version}, the newest release that has its wheels.`,
    result: (answers) => `torch ${answers.torch_version} · ${answers.accelerator} · Python ${answers.python_version}`,
    fine: (platforms, python) => `For ${platforms.join(", ")}; Python ${python}.`,
    share: "Copy link",
    copyText: "Copy",
    copied: "Copied",
    copyTitle: "New project",
    updateTitle: "Project from this template",
    adoptTitle: "Project without the template",
    blockTitle: "pyproject.toml, by hand",
    label: { copy: "Copy the command for a new project", update: "Copy the command for a project from this template", adopt: "Copy the command for a project without the template", block: "Copy the lines for pyproject.toml" },
    more: "A project keeps the answers that a command does not name. Several accelerators in one project (switch_to), CI, the license and the rest are questions of the template.",
    matrixLead: "Every release since 2.1.0 and every accelerator, with the Pythons that have wheels. Macs use PyPI's wheels for every accelerator.",
    find: "Filter",
    findHint: "cu126, 2.9, 3.14, aarch64 …",
    count: (shown, all) => `${shown} of ${all}`,
    table: "Table of all builds",
    torch: "torch",
    nothing: "none",
    choose: (key, version) => `Choose torch ${version} for ${key}`,
    foot: "This page is made from one file, which other tools may read too:",
    footLink: "what builds.json promises",
    footHref: "https://github.com/org/torch-uv-template/blob/HEAD/docs/builds.md",
    failure: (error) => `builds.json could not be read (${error}). Reload the page, or let the template ask: uvx copier copy ${TEMPLATE} myproj`,
  },
  zh: {
    nav: "页面",
    all: "全部构建",
    title: "该装哪个 PyTorch？",
    lead: "填写 GPU 型号，或者自己选择；能选的都是 PyTorch 确实发布过的构建。然后复制 Copier 模板的命令，或者 pyproject.toml 里要写的内容。",
    choices: "选项",
    machine: "你的机器",
    gpu: "GPU",
    gpus: "GPU 列表",
    gpuHint: "4090、7900 XTX、M3 …",
    none: "没有 GPU",
    unknown: "这里没有这个型号。",
    driver: "NVIDIA 驱动",
    optional: "可不填",
    system: "系统",
    accelerator: "加速器",
    release: "PyTorch 版本",
    companions: "配套的包",
    platforms: "平台",
    dropping: "在不属于项目的平台上，uv sync 会报错，绝不会装上另一种构建。",
    mirrors: "镜像",
    mirror: "PyTorch 来自",
    pypiMirror: "其他包来自",
    pypi: "PyPI 本身",
    mirrorHint: "自己的索引或本地目录：在模板里回答 custom。",
    families: { cpu: "CPU", cuda: "NVIDIA", rocm: "AMD", xpu: "Intel" },
    driverFrom: (floors) => `，驱动 ${floors.linux} 或更新（Windows：${floors.windows}）`,
    recommended: "推荐",
    usual: "默认",
    newest: (key, python, version) => `${key} 和 Python ${python} 默认用 ${version}：有这种安装包的最新版本。`,
    result: (answers) => `torch ${answers.torch_version} · ${answers.accelerator} · Python ${answers.python_version}`,
    fine: (platforms, python) => `平台：${platforms.join("、")}；Python ${python}。`,
    share: "复制链接",
    copyText: "复制",
    copied: "已复制",
    copyTitle: "新项目",
    updateTitle: "已使用本模板的项目",
    adoptTitle: "还没有用模板的项目",
    blockTitle: "手写 pyproject.toml",
    label: { copy: "复制新项目的命令", update: "复制更新项目的命令", adopt: "复制接入模板的命令", block: "复制 pyproject.toml 的内容" },
    more: "命令里没有写到的答案，项目保持不变。同一个项目里的多种构建（switch_to）、CI、许可证等，由模板的问卷来问。",
    matrixLead: "2.1.0 以来的每个版本和每种加速器，以及有安装包的 Python。macOS 总是用 PyPI 的安装包，与加速器无关。",
    find: "筛选",
    findHint: "cu126、2.9、3.14、aarch64 …",
    count: (shown, all) => `${shown} / ${all}`,
    table: "全部构建的表格",
    torch: "torch",
    nothing: "无",
    choose: (key, version) => `选择 torch ${version} 的 ${key}`,
    foot: "这里显示的内容都来自一个文件，它由模板的数据生成，其他工具也可以读取：",
    footLink: "builds.json 的约定",
    footHref: "https://github.com/org/torch-uv-template/blob/HEAD/docs/builds.zh-CN.md",
    failure: (error) => `无法读取 builds.json（${error}）。请刷新页面，或者直接用模板的问卷：uvx copier copy ${TEMPLATE} myproj`,
  },
};

// A link ---------------------------------------------------------------------------------------------------------

const LISTS = ["platforms", "companions"];

/** What a person chose; null where the page chooses. */
const nothingChosen = (table) => ({ ...defaults(table), accelerator: null, gpu: "", driver: "", system: "linux", find: "" });

/** The choices that a link holds; what is unknown is left out. */
export function fromLink(table, query) {
  const state = nothingChosen(table);
  const known = {
    gpu: ["none", ...gpusOf(table).map((gpu) => gpu.name)],
    system: ["linux", "windows"],
    python_version: table.pythons,
    accelerator: Object.keys(table.accelerators),
    torch_version: Object.keys(table.releases),
    platforms: Object.keys(table.platforms),
    companions: table.companions,
    mirror: Object.keys(table.mirrors),
    pypi_mirror: ["official", ...Object.keys(table.pypi_mirrors)],
  };
  for (const [name, value] of new URLSearchParams(query)) {
    if (LISTS.includes(name)) state[name] = known[name].filter((item) => value.split(",").includes(item));
    else if (known[name]?.includes(value)) state[name] = value;
    else if (name === "driver" && /^\d+(\.\d+)*$/.test(value)) state.driver = value;
    else if (name === "find") state.find = value;
  }
  return state;
}

/** The link to choices: what is as it would be anyway is not in it. */
export function toLink(table, state) {
  const usual = nothingChosen(table);
  const link = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (JSON.stringify(value) !== JSON.stringify(usual[name])) link.set(name, String(value));
  }
  return String(link);
}

/** The answers that choices come to, with what is recommended for the machine. */
export function answersOf(table, state) {
  const { python_version } = state;
  const gpu = state.gpu === "none" ? {} : gpusOf(table).find((other) => other.name === state.gpu);
  const advice = recommend(table, { ...state, gpu });
  const accelerator = state.accelerator ?? advice.accelerator;
  const usual = table.defaults[python_version][accelerator] ?? table.accelerators[accelerator].releases[0];
  const torch_version = state.torch_version ?? (accelerator === advice.accelerator ? advice.torch_version : usual);
  const answers = {
    ...Object.fromEntries(Object.keys(defaults(table)).map((name) => [name, state[name]])),
    accelerator,
    torch_version,
    pypi_mirror: state.pypi_mirror ?? siteOf(table, state.mirror),
  };
  return { answers, advice, gpu };
}

// The page -------------------------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);

/** Make an element: `el("p", {class: "note"}, "text", child)`. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Change text only where it differs: a status that is written again would be read out again. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The browser's storage, which may be full, empty or forbidden. */
const memory = {
  get language() {
    try {
      return localStorage.getItem("language");
    } catch {
      return null;
    }
  },
  set language(value) {
    try {
      localStorage.setItem("language", value);
    } catch {
      // It is forgotten with the page.
    }
  },
};

function languageOf(query) {
  const wanted = [new URLSearchParams(query).get("lang"), memory.language, ...(navigator.languages ?? [])];
  const known = wanted.map((tag) => String(tag ?? "").toLowerCase().slice(0, 2)).find((tag) => tag in TEXTS);
  return known ?? "en";
}

/** Pythons in a row as one: 3.10–3.14. */
function span(all, pythons) {
  const runs = [];
  for (const python of pythons) {
    const run = runs.at(-1);
    if (run && all.indexOf(run.at(-1)) === all.indexOf(python) - 1) run.push(python);
    else runs.push([python]);
  }
  return runs.map((run) => (run.length > 1 ? `${run[0]}–${run.at(-1)}` : run[0])).join(", ");
}

class Page {
  constructor(table) {
    this.table = table;
    this.gpus = gpusOf(table);
    this.state = fromLink(table, location.search);
    this.language = languageOf(location.search);
    this.looked = {}; // question -> the impossible choice whose reason is shown
    this.groups = {
      python_version: this.radios("python_version", [["", table.pythons]]),
      accelerator: this.radios("accelerator", this.families()),
      torch_version: this.radios("torch_version", [["", Object.keys(table.releases)]]),
    };
    this.rows = { companions: this.boxes("companions", table.companions), platforms: this.boxes("platforms", Object.keys(table.platforms)) };
    this.selects();
    this.combobox();
    this.outputs();
    this.matrix();
    for (const button of document.querySelectorAll("[data-language]")) {
      button.addEventListener("click", () => {
        this.language = memory.language = button.dataset.language;
        this.translate();
        this.update();
      });
    }
    this.translate();
    this.update();
    this.filter();
    $("selector").hidden = $("matrix").hidden = false;
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }

  get texts() {
    return TEXTS[this.language];
  }

  say(parts) {
    return remark(parts, this.language);
  }

  families() {
    const keys = Object.keys(this.table.accelerators);
    const names = [...new Set(keys.map((key) => this.table.accelerators[key].family))];
    return names.map((name) => [name, keys.filter((key) => this.table.accelerators[key].family === name)]);
  }

  change(changes) {
    Object.assign(this.state, changes);
    this.looked = {};
    this.update();
  }

  follow(way) {
    const now = this.state[way.question];
    const items = way.kind === "leave" ? now.filter((item) => !way.value.includes(item)) : [...(now ?? []), way.value];
    this.change({ [way.question]: way.kind === "use" ? way.value : items });
    const { groups, rows } = this;
    const [value] = [way.value].flat();
    (groups[way.question]?.buttons.get(value) ?? rows[way.question]?.get(value)?.box)?.focus();
  }

  // Controls. Choices that cannot be had keep their place in the order of keys, so that everyone hears the reason.

  radios(question, groups) {
    const group = el("div", { role: "radiogroup", class: "radios" });
    const buttons = new Map();
    for (const [family, values] of groups) {
      const line = el("div", { class: "line" });
      if (family) line.append(el("span", { class: "family", "data-family": family, "aria-hidden": "true" }));
      const chips = line.appendChild(el("div", { class: "chips" }));
      for (const value of values) {
        const name = el("span", {}, value);
        const why = el("span", { class: "unseen" });
        const button = el("button", { type: "button", role: "radio", class: "chip", "data-value": value }, name, why);
        button.addEventListener("click", () => this.pick(question, value));
        button.addEventListener("focus", () => this.look(question, value));
        buttons.set(value, button);
        chips.append(button);
      }
      group.append(line);
    }
    group.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const all = [...buttons.keys()];
      const at = all.indexOf(event.target.dataset.value);
      if (!step || at < 0) return;
      event.preventDefault();
      const next = all.at((at + step) % all.length);
      buttons.get(next).focus();
      this.pick(question, next);
    });
    $(question).append(group);
    return { group, buttons };
  }

  pick(question, value) {
    if (this.groups[question].buttons.get(value).getAttribute("aria-disabled") === "true") return this.look(question, value);
    const usual = { accelerator: this.usual.accelerator, torch_version: this.usual.torch_version }[question];
    return this.change({ [question]: value === usual ? null : value });
  }

  look(question, value) {
    const { buttons } = this.groups[question];
    for (const [other, button] of buttons) button.tabIndex = other === value ? 0 : -1;
    const refused = buttons.get(value).getAttribute("aria-disabled") === "true";
    this.looked = { [question]: refused ? value : null };
    this.notes();
  }

  boxes(question, values) {
    const rows = new Map();
    for (const value of values) {
      const box = el("input", { type: "checkbox", id: `${question}-${value}`, "aria-describedby": `${question}-${value}-note` });
      const label = el("label", { for: box.id }, value);
      const note = el("span", { class: "row-note", id: `${question}-${value}-note` });
      box.addEventListener("change", () => {
        const others = this.state[question].filter((item) => item !== value);
        const chosen = box.checked ? [...others, value] : others;
        if (box.checked && box.getAttribute("aria-disabled") === "true") box.checked = false;
        else this.change({ [question]: values.filter((item) => chosen.includes(item)) });
      });
      rows.set(value, { box, note });
      $(question).append(el("div", { class: "row" }, box, label, note));
    }
    return rows;
  }

  selects() {
    for (const [id, keys] of [["mirror", Object.keys(this.table.mirrors)], ["pypi_mirror", ["official", ...Object.keys(this.table.pypi_mirrors)]]]) {
      for (const key of keys) $(id).append(el("option", { value: key }));
      $(id).addEventListener("change", (event) => {
        const { value } = event.target;
        const usual = id === "pypi_mirror" && value === siteOf(this.table, this.state.mirror);
        this.change({ [id]: usual ? null : value });
      });
    }
    $("system").addEventListener("change", (event) => this.change({ system: event.target.value }));
    $("driver").addEventListener("input", (event) => {
      const text = event.target.value.trim();
      const number = /^\d+(\.\d+)*\.?$/.test(text);
      event.target.setAttribute("aria-invalid", String(text !== "" && !number));
      this.change({ driver: number ? text.replace(/\.$/, "") : "" });
    });
    $("driver").value = this.state.driver;
    $("choices").addEventListener("submit", (event) => event.preventDefault());
  }

  combobox() {
    const input = $("gpu");
    const list = $("cards");
    let shown = [];
    let at = -1;
    const close = () => {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
      at = -1;
    };
    const take = (name) => {
      close();
      this.change({ gpu: name });
      input.value = this.gpuText();
    };
    const mark = (place) => {
      at = place;
      [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
      if (at < 0) return;
      input.setAttribute("aria-activedescendant", `card-${at}`);
      const { offsetTop, offsetHeight } = list.children[at];
      list.scrollTop = Math.max(Math.min(list.scrollTop, offsetTop), offsetTop + offsetHeight - list.clientHeight);
    };
    const open = () => {
      const text = input.value.trim();
      const found = text ? search(this.gpus, text).map((gpu) => gpu.name) : this.gpus.map((gpu) => gpu.name);
      shown = text && found.length ? found : ["none", ...found];
      const items = shown.map((name, index) =>
        el("li", { role: "option", id: `card-${index}`, "aria-selected": "false" }, name === "none" ? this.texts.none : name),
      );
      items.forEach((item, index) => {
        item.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
        item.addEventListener("click", () => take(shown[index]));
      });
      if (!found.length) items.push(el("li", { role: "option", "aria-disabled": "true" }, this.texts.unknown));
      list.replaceChildren(...items);
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark(text && found.length ? 0 : -1);
    };
    input.addEventListener("input", () => {
      if (!input.value.trim()) this.change({ gpu: "" });
      open();
    });
    input.addEventListener("click", () => {
      input.select();
      if (list.hidden) open();
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) open();
        const step = event.key === "ArrowDown" ? 1 : -1;
        mark((at + step + shown.length) % shown.length);
      } else if (event.key === "Enter" && !list.hidden) {
        event.preventDefault();
        if (at >= 0) take(shown[at]);
      } else if (event.key === "Tab" && at >= 0) {
        take(shown[at]);
      } else if (event.key === "Escape") {
        close();
        input.value = this.gpuText();
      }
    });
    input.addEventListener("blur", () => {
      close();
      input.value = this.gpuText();
    });
    input.value = this.gpuText();
  }

  gpuText() {
    return this.state.gpu === "none" ? this.texts.none : this.state.gpu;
  }

  outputs() {
    const copy = async (button, text, label) => {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        return; // the text can be selected by hand
      }
      button.textContent = this.texts.copied;
      setTimeout(() => (button.textContent = label()), 1500);
    };
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => copy(button, $(button.dataset.copy).textContent, () => this.texts.copyText));
    }
    $("share").addEventListener("click", () => copy($("share"), location.href, () => this.texts.share));
  }

  matrix() {
    const { releases, platforms, pythons } = this.table;
    this.lines = [];
    for (const [version, release] of Object.entries(releases)) {
      const having = Object.keys(this.table.accelerators).filter((key) => Object.values(release.wheels).some((row) => key in row));
      for (const key of having) {
        const cells = Object.entries(platforms).map(([name, platform]) => {
          const mac = platform.system === "macos";
          const listed = (python) => (mac ? release.macos[python] : release.wheels[python]?.[key]) ?? [];
          const here = mac && key !== "cpu" ? [] : pythons.filter((python) => listed(python).includes(name));
          return [name, here];
        });
        const link = el("a", { href: `?accelerator=${key}&torch_version=${version}` }, key);
        link.addEventListener("click", (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          const usable = key in (release.wheels[this.state.python_version] ?? {});
          const python = usable ? {} : { python_version: lastPython(this.table, version, key) };
          this.change({ accelerator: key, torch_version: version, ...python });
          $("result-title").scrollIntoView({ block: "center" });
        });
        const row = el("tr", { id: `torch-${version}-${key}` }, el("th", { scope: "row" }, version), el("td", {}, link));
        for (const [, here] of cells) {
          row.append(here.length ? el("td", {}, span(pythons, here)) : el("td", { class: "nothing" }));
        }
        const words = [`torch ${version}`, key, this.table.accelerators[key].label, this.table.accelerators[key].family];
        for (const [name, here] of cells) if (here.length) words.push(name, ...here);
        this.lines.push({ row, link, version, key, words: words.join(" ").toLowerCase() });
      }
    }
    $("builds").append(...this.lines.map((line) => line.row));
    $("find").value = this.state.find;
    $("find").addEventListener("input", (event) => {
      this.state.find = event.target.value.trim();
      this.filter();
      this.link();
    });
  }

  filter() {
    const words = this.state.find.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { row, words: text } of this.lines) {
      row.hidden = !words.every((word) => ` ${text}`.includes(` ${word}`) || (Number.isNaN(Number(word)) && text.includes(word)));
      shown += row.hidden ? 0 : 1;
    }
    write($("count"), this.texts.count(shown, this.lines.length));
  }

  // What follows from the choices.

  translate() {
    const { texts } = this;
    document.documentElement.lang = this.language === "zh" ? "zh-CN" : "en";
    document.title = `${texts.title} · torch-uv-template`;
    for (const element of document.querySelectorAll("[data-t]")) write(element, texts[element.dataset.t]);
    for (const [name, attribute] of [["tLabel", "aria-label"], ["tPlaceholder", "placeholder"], ["tHref", "href"]]) {
      const selector = `[data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}]`;
      for (const element of document.querySelectorAll(selector)) element.setAttribute(attribute, texts[element.dataset[name]]);
    }
    for (const button of document.querySelectorAll("[data-copy]")) {
      write(button, texts.copyText);
      button.setAttribute("aria-label", texts.label[button.dataset.copy]);
    }
    for (const button of document.querySelectorAll("[data-language]")) {
      button.setAttribute("aria-pressed", String(button.dataset.language === this.language));
    }
    for (const span of document.querySelectorAll("[data-family]")) write(span, texts.families[span.dataset.family]);
    for (const [question, { group }] of Object.entries(this.groups)) {
      group.setAttribute("aria-label", { python_version: "Python", accelerator: texts.accelerator, torch_version: texts.release }[question]);
    }
    $("columns").replaceChildren(
      ...[texts.torch, texts.accelerator, ...Object.keys(this.table.platforms)].map((name) => el("th", { scope: "col" }, name)),
    );
    for (const cell of document.querySelectorAll(".nothing")) cell.replaceChildren(el("span", { class: "unseen" }, texts.nothing));
    for (const { link, key, version } of this.lines) link.setAttribute("aria-label", texts.choose(key, version));
    if (document.activeElement !== $("gpu")) $("gpu").value = this.gpuText();
    this.filter();
  }

  update() {
    const { table, state, texts, language } = this;
    const { answers, advice, gpu } = answersOf(table, state);
    this.answers = answers;
    const wrong = problems(table, answers);
    const { python_version, accelerator, torch_version } = answers;
    const listed = accelerator in table.defaults[python_version];
    this.newest = table.defaults[python_version][accelerator];
    this.usual = {
      accelerator: advice.accelerator,
      torch_version: accelerator === advice.accelerator ? advice.torch_version : this.newest,
    };

    write($("why"), this.say(advice.why));

    // What of the choice does not fit the machine.
    const able = gpu?.row && gpu.row.family !== "cpu" && accelerator !== "cpu" && listed && !wrong.torch_version;
    const why = able && obstacle(table, gpu, state, accelerator, torch_version);
    const floor = table.accelerators[accelerator].drivers[state.system];
    this.misfit = why && this.say(["misfit", accelerator, torch_version, gpu.name, why, floor]);

    // Chips.
    this.reasons = {
      python_version: () => null,
      accelerator: (value) => acceleratorProblem(table, answers, value),
      torch_version: (value) => (listed ? torchProblem(table, answers, value) : null),
    };
    const mark = { accelerator: texts.recommended, torch_version: texts.usual };
    for (const [question, { group, buttons }] of Object.entries(this.groups)) {
      for (const [value, button] of buttons) {
        const problem = this.reasons[question](value);
        const chosen = answers[question] === value;
        const usual = this.usual[question] === value;
        button.setAttribute("aria-checked", String(chosen));
        button.setAttribute("aria-disabled", String(Boolean(problem)));
        button.tabIndex = (group.contains(document.activeElement) ? button === document.activeElement : chosen) ? 0 : -1;
        button.classList.toggle("usual", usual);
        const reason = problem ? sentence(problem, language) : "";
        button.title = reason;
        write(button.lastChild, reason ? `: ${reason}` : usual ? ` (${mark[question]})` : "");
      }
    }

    // Rows.
    const known = !wrong.accelerator && !wrong.torch_version;
    for (const [name, { box, note }] of this.rows.companions) {
      const problem = known ? companionProblem(table, answers, name) : null;
      this.row(box, note, state.companions.includes(name), problem, known && !problem ? companionRemark(table, answers, name) : null);
    }
    for (const [name, { box, note }] of this.rows.platforms) {
      const problem = known ? platformProblem(table, answers, name) : null;
      const said = known && !wrong.companions && !problem ? platformRemark(table, answers, name) : null;
      this.row(box, note, state.platforms.includes(name), problem, said);
    }
    for (const option of $("mirror").options) {
      const lacks = mayLack(table, answers, option.value);
      option.textContent = `${option.value} – ${table.mirrors[option.value].label}${lacks.length ? SAY[language].mayLack(lacks) : ""}`;
    }
    for (const option of $("pypi_mirror").options) {
      option.textContent = `${option.value} – ${table.pypi_mirrors[option.value]?.label ?? texts.pypi}`;
    }
    $("mirror").value = answers.mirror;
    $("pypi_mirror").value = answers.pypi_mirror;
    $("system").value = state.system;
    const elsewhere = gpu && (!gpu.row || gpu.row.machine === "aarch64");
    $("system").disabled = Boolean(elsewhere);
    $("driver").disabled = Boolean(gpu && gpu.row?.family !== "cuda");

    // Outputs.
    const first = Object.values(wrong).flat()[0];
    for (const id of ["result-title", "jump"]) write($(id), texts.result(answers));
    $("summary").classList.toggle("refused", Boolean(first));
    if (first) {
      this.explain($("summary"), first);
      for (const id of ["copy", "update", "adopt", "block"]) write($(id), "");
    } else {
      const lines = block(table, answers);
      const given = commands(table, answers, language);
      for (const id of ["copy", "update", "adopt"]) write($(id), given[id]);
      write($("block"), lines);
      write($("summary"), texts.fine(environmentsOf(table, answers), lines.match(/requires-python = "(.*?)"/)[1]));
    }
    for (const button of document.querySelectorAll("[data-copy]")) button.disabled = Boolean(first);
    this.notes();
    this.link();
  }

  row(box, note, chosen, problem, said) {
    box.checked = chosen;
    box.setAttribute("aria-disabled", String(Boolean(problem) && !chosen));
    note.classList.toggle("refused", Boolean(problem));
    if (problem) this.explain(note, problem, chosen);
    else write(note, said ? this.say(said) : "");
  }

  /** Write a problem, with its ways out to click. */
  explain(element, problem, all = true) {
    const parts = pieces(problem, this.language).map((piece) => {
      if (!piece.way || (!all && piece.way.kind === "leave")) return piece.text ?? piece;
      const button = el("button", { type: "button", class: "way" }, piece.text);
      button.addEventListener("click", () => this.follow(piece.way));
      return button;
    });
    const now = parts.map((part) => part.textContent ?? part).join("");
    if (element.textContent !== now || !element.querySelector("button")) element.replaceChildren(...parts);
  }

  notes() {
    const { table, answers, texts } = this;
    const row = table.accelerators[answers.accelerator];
    const usual = {
      accelerator: this.misfit || `${row.label}: ${row.gpus}${row.drivers.linux ? texts.driverFrom(row.drivers) : ""}`,
      torch_version: texts.newest(answers.accelerator, answers.python_version, this.newest),
    };
    for (const [question, text] of Object.entries(usual)) {
      const looked = this.looked[question] ?? answers[question];
      const problem = this.reasons[question](looked);
      const note = $(`${question}-note`);
      note.classList.toggle("refused", Boolean(problem) || (question === "accelerator" && Boolean(this.misfit)));
      if (problem) this.explain(note, problem);
      else write(note, text);
    }
    const together = problems(table, answers).platforms?.find((problem) => problem.waysFirst);
    $("platforms-note").classList.toggle("refused", Boolean(together));
    if (together) this.explain($("platforms-note"), together);
    else write($("platforms-note"), texts.dropping);
  }

  link() {
    const query = toLink(this.table, this.state);
    const place = `${location.pathname}${query && `?${query}`}${location.hash}`;
    try {
      history.replaceState(null, "", place);
    } catch {
      // A browser may refuse many changes in a row; the next one has all of them.
    }
  }
}

async function start() {
  const answer = await fetch("builds.json");
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  new Page(await answer.json());
}

if (typeof document !== "undefined" && document.getElementById("selector")) {
  start().catch((error) => {
    $("failure").textContent = TEXTS[languageOf(location.search)].failure(error.message);
    $("failure").hidden = false;
  });
}

//! Examples of each command, in both languages; a test reads each of them as a command line.

/// One command line and what it does.
pub(super) struct Example {
    pub(super) line: &'static str,
    pub(super) chinese: &'static str,
    pub(super) english: &'static str,
}

const fn example(line: &'static str, chinese: &'static str, english: &'static str) -> Example {
    Example { line, chinese, english }
}

const ALL: &[(&str, &[Example])] = &[
    (
        "",
        &[
            example("liandong demo", "在本机演示全部主要业务", "run the main job on this machine"),
            example("liandong serve", "运行枢纽", "run the hub"),
            example("liandong check", "检查全部配置", "check all that is configured"),
            example("liandong adapter test", "运行映射用例", "run the mapping tests of adapters"),
            example("liandong deliveries list --state parked", "待人工处理的推送", "what waits for a person"),
            example("liandong trail JY16109020012345", "一条消息的全程留痕", "what happened to a message"),
            example("liandong seal verify", "核验封存的留痕", "check the sealed trail"),
        ],
    ),
    (
        "demo",
        &[
            example("liandong demo", "运行并核对，不留痕迹", "run it, check it, leave nothing behind"),
            example("liandong demo --keep", "结束后继续运行，可接着操作", "leave it running until Ctrl-C"),
            example("liandong demo --json", "结果供程序使用", "the result for programs"),
            example("liandong demo --production", "按生产形态运行", "hubs and workers as in production"),
        ],
    ),
    (
        "serve",
        &[
            example("liandong serve", "按默认配置运行", "run with the defaults"),
            example("liandong serve --config hub.toml", "按指定的配置运行", "run with a configuration"),
            example(
                "liandong serve --by 张三 --reason 新增监管事项",
                "按变更后的注册表、规则运行，由谁、为何记入留痕",
                "with a changed registry: who and why, kept in the trail",
            ),
            example(
                "LIANDONG__HTTP__LISTEN=0.0.0.0:8080 liandong serve",
                "只改一项配置",
                "run with one key changed",
            ),
        ],
    ),
    (
        "worker",
        &[
            example("liandong worker --attach amqp", "经 RabbitMQ 承接推送", "take work through RabbitMQ"),
            example(
                "liandong worker --attach grpc --config worker.toml",
                "经 gRPC 主动连接枢纽承接推送",
                "take work from a hub that the worker connects to",
            ),
            example(
                "liandong worker --attach amqp --config worker.toml",
                "按指定的配置运行",
                "run with a configuration of its own",
            ),
        ],
    ),
    ("check", &[example("liandong check --config hub.toml", "检查指定的配置", "check a configuration")]),
    (
        "submit",
        &[example(
            "liandong submit result.json --token-file spj.token",
            "以该令牌所代表的接入系统送入",
            "hand it in as the token's endpoint",
        )],
    ),
    (
        "trail",
        &[
            example("liandong trail 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a", "按消息编号或推送编号", "by id"),
            example("liandong trail JY16109020012345", "按业务编号", "by business key"),
            example(
                "liandong trail YS-2026-0001 --organisation 610902-xzspj --kind approval.result",
                "业务编号有几类消息时指明其一",
                "when several have that key",
            ),
        ],
    ),
    (
        "route explain",
        &[
            example("liandong route explain result.json", "会送达谁、为什么", "whom it would reach, and why"),
            example(
                "liandong route explain result.json --at 2026-03-05T09:30:00+08:00",
                "按当时接收推算",
                "as if accepted then",
            ),
        ],
    ),
    (
        "deliveries",
        &[
            example("liandong deliveries list --state parked", "待人工处理的", "what waits for a person"),
            example("liandong deliveries retry 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a", "重试", "try it again"),
        ],
    ),
    (
        "deliveries list",
        &[
            example("liandong deliveries list --state parked", "待人工处理的", "what waits for a person"),
            example(
                "liandong deliveries list --endpoint hanbin-scjg --limit 20",
                "某接入系统的前 20 条",
                "the first 20 of an endpoint",
            ),
            example(
                "liandong deliveries list --organisation 610902-scjgj --json",
                "供程序使用",
                "for programs",
            ),
        ],
    ),
    (
        "deliveries retry",
        &[example(
            "liandong deliveries retry 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a",
            "对方恢复后重试",
            "when the system is back",
        )],
    ),
    (
        "deliveries park",
        &[example(
            "liandong deliveries park 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a --reason 机构搬迁",
            "挂起并写明原因",
            "stop it and say why",
        )],
    ),
    (
        "deliveries skip",
        &[example(
            "liandong deliveries skip 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a --reason 对方已另行收到 --dry-run",
            "先看会怎样",
            "see first what would happen",
        )],
    ),
    (
        "deliveries withdraw",
        &[example(
            "liandong deliveries withdraw 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a --reason 发送有误 --dry-run",
            "先看会怎样",
            "see first what would happen",
        )],
    ),
    (
        "deliveries offline",
        &[example(
            "liandong deliveries offline 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a --document 安审批送〔2026〕7号",
            "登记送达回证文号",
            "record the paper's number",
        )],
    ),
    (
        "deliveries confirm",
        &[example(
            "liandong deliveries confirm 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a",
            "监管部门确认后放行",
            "when the supervisor has confirmed",
        )],
    ),
    (
        "adapter check",
        &[example("liandong adapter check hanbin-scjg", "检查一个适配器", "check one adapter")],
    ),
    (
        "adapter test",
        &[
            example("liandong adapter test", "全部用例", "all tests"),
            example(
                "liandong adapter test hanbin-scjg hanbin-spj",
                "其中两个适配器",
                "those of two adapters",
            ),
            example(
                "LIANDONG__PATHS__ADAPTERS=config/demo/adapters liandong adapter test",
                "演示所用的适配器",
                "the demo's adapters",
            ),
        ],
    ),
    ("registry lint", &[example("liandong registry lint", "查找缺口", "find the gaps")]),
    (
        "token new",
        &[
            example(
                "liandong token new hanbin-2026 --endpoint hanbin-spj",
                "给一个接入系统",
                "for an endpoint",
            ),
            example("liandong token new zhangsan", "给一位运维人员", "for an operator"),
            example(
                "liandong token new north-2026 --worker north",
                "给一个适配进程",
                "for a worker apart from the hub",
            ),
        ],
    ),
    ("token list", &[example("liandong token list", "有哪些令牌", "which tokens there are")]),
    (
        "token revoke",
        &[example("liandong token revoke hanbin-2026", "立即失效", "no longer valid from now on")],
    ),
    (
        "key list",
        &[
            example("liandong key list", "各密钥何时签名", "which key signs when"),
            example("liandong key list --pem", "交给核验者的公钥", "the public keys, for those who check"),
        ],
    ),
    ("key new", &[example("liandong key new", "更换密钥的第一步", "the first step of a change of keys")]),
    (
        "key rotate",
        &[
            example("liandong key rotate", "先看，不作改动", "see first, nothing is changed"),
            example(
                "liandong key rotate --apply --reason 年度更换",
                "告知期过后启用新密钥",
                "the next key signs once the notice is over",
            ),
        ],
    ),
    (
        "seal verify",
        &[
            example("liandong seal verify", "用本枢纽的公钥核验", "check with the hub's own key"),
            example(
                "liandong seal verify --key trusted.pem",
                "用另行保管的公钥核验",
                "check with keys kept elsewhere",
            ),
            example(
                "liandong seal verify --anchor checkpoint.txt",
                "存储不得退回到另行保管的检查点之前",
                "the store has not gone back before a checkpoint kept elsewhere",
            ),
        ],
    ),
    (
        "seal prove",
        &[
            example(
                "liandong seal prove 20260305T013000Z-1234.txt --to proof.json",
                "自另行保管的检查点以来没有改动",
                "nothing was changed since a checkpoint kept elsewhere",
            ),
            example("liandong seal prove old.txt new.txt", "两个检查点之间", "between two checkpoints"),
        ],
    ),
    (
        "seal verify-proof",
        &[example(
            "liandong seal verify-proof proof.json --key hub.pem",
            "只凭证明与公钥核验",
            "with nothing but the proof and the key",
        )],
    ),
    (
        "evidence export",
        &[
            example(
                "liandong evidence export 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a --out evidence.json",
                "一次推送或一条消息的证据包",
                "of a delivery or a message",
            ),
            example(
                "liandong evidence export 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a --redact --wait --html page.html",
                "不含消息内容，等到封存，另写打印页面",
                "without contents, once sealed, with a page to print",
            ),
        ],
    ),
    (
        "evidence verify",
        &[example(
            "liandong evidence verify evidence.json --key hub.pub.pem",
            "只凭文件和公钥核验",
            "with nothing but the file and the public key",
        )],
    ),
    (
        "evidence refused",
        &[example(
            "liandong evidence refused sent.json",
            "是否拒收过这些字节",
            "whether these bytes were refused",
        )],
    ),
    (
        "retention run",
        &[
            example(
                "liandong retention run",
                "哪些月份已超期，不作改动",
                "which months are beyond their term",
            ),
            example(
                "liandong retention run --apply --to /archive/liandong --reason 按保存期限归档",
                "归档并移出在线存储",
                "archive them and remove them from the store",
            ),
        ],
    ),
    (
        "retention erase",
        &[
            example(
                "liandong retention erase --before 2021-01-01 --archives /archive/liandong",
                "将清除哪些，不作改动",
                "what would be erased",
            ),
            example(
                "liandong retention erase --before 2021-01-01 --apply --reason 保存期满五年 --by 张三",
                "清除，由谁、为何记入留痕",
                "erase it: who and why, kept in the trail",
            ),
        ],
    ),
    (
        "retention verify",
        &[example("liandong retention verify /archive/liandong", "核验全部归档", "verify every archive")],
    ),
    (
        "reconcile",
        &[
            example(
                "liandong reconcile --day 2026-03-05 --to day.csv --bom",
                "当日各机构之间的件数与摘要",
                "counts and digests of the day",
            ),
            example(
                "liandong reconcile --day 2026-03-05 --pair 610902-xzspj:610902-scjgj --compare theirs.csv --plan plan.json",
                "与对方清单比对，写出处置方案",
                "compare with the list of a counterpart and write the plan",
            ),
            example(
                "liandong reconcile --apply plan.json --reason 对方停机补送 --by 张三",
                "执行方案",
                "carry the plan out",
            ),
        ],
    ),
    (
        "bench",
        &[
            example("liandong bench", "三轮，积压十万件", "three rounds, a backlog of 100,000 deliveries"),
            example("liandong bench --backlog 1000000", "积压一百万件", "with a backlog of a million"),
            example(
                "liandong bench --store postgres --bus amqp",
                "按生产形态测量",
                "in the shape of production",
            ),
            example("liandong bench --rounds 1 --messages 5000", "先看个大概", "a first impression"),
            example(
                "liandong bench --dir /srv/liandong --json",
                "测另一块磁盘，结果供程序使用",
                "on another disk, for programs",
            ),
        ],
    ),
];

/// The examples of a command.
pub(super) fn of(path: &str) -> &'static [Example] {
    ALL.iter().find(|(known, _)| *known == path).map_or(&[], |(_, examples)| examples)
}

/// The commands that have examples.
#[cfg(test)]
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(path, _)| *path)
}

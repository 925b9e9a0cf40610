//! The Chinese texts of commands and arguments, and of the names of values.
//!
//! A command is named by its path, an argument by its own id. The tests of this room hold the table whole.

/// A command's text and those of its arguments.
struct Text {
    path: &'static str,
    about: &'static str,
    arguments: &'static [(&'static str, &'static str)],
}

const DELIVERY: (&str, &str) = ("delivery", "推送编号，见 deliveries list");
const REASON_OPTIONAL: (&str, &str) = ("reason", "原因，记入留痕");
const REASON: (&str, &str) = ("reason", "原因，必填，记入留痕");
const BY: (&str, &str) = ("by", "由谁操作（姓名），与本机账号一并记入留痕；多人共用账号时请写明");
const DRY_RUN: (&str, &str) = ("dry_run", "试运行：只说会怎样，不作任何改动");

const TEXTS: &[Text] = &[
    Text {
        path: "",
        about: "联动：行政审批与行业监管之间的消息总线集成枢纽",
        arguments: &[
            ("config", "配置文件；不给则用 config/liandong.toml 的默认值"),
            ("json", "输出 JSON，供程序使用"),
            ("lang", "输出所用语言；不给则按系统区域设置"),
            ("help", "显示本说明"),
            ("version", "显示版本"),
        ],
    },
    Text {
        path: "demo",
        about: "在本机完整运行一遍主要业务：真实消息全程流转并核对",
        arguments: &[
            ("keep", "结束后枢纽与各部门系统继续运行，直到按 Ctrl-C，并保留数据目录"),
            (
                "production",
                "两个枢纽、两个适配进程各自独立运行，用 postgres.url 的 PostgreSQL（须为空库）和 bus.url 的 RabbitMQ",
            ),
            ("world", "演示所用目录：适配器、各部门系统、消息、案例"),
            ("part", "演示自身的进程之一"),
            ("began", "演示之日开始的时刻，毫秒"),
        ],
    },
    Text {
        path: "serve",
        about: "运行枢纽，直到收到 SIGTERM 或按 Ctrl-C",
        arguments: &[BY, ("reason", "注册表或规则有变更的原因，变更时记入留痕")],
    },
    Text {
        path: "worker",
        about: "在枢纽之外运行适配器，直到收到 SIGTERM 或按 Ctrl-C",
        arguments: &[("attach", "适配进程接入枢纽的方式")],
    },
    Text {
        path: "check", about: "检查配置、注册表、规则、适配器；不作任何改动", arguments: &[]
    },
    Text {
        path: "submit",
        about: "经运行中的枢纽送入一条规范 JSON 格式的消息",
        arguments: &[
            ("file", "规范 JSON 格式的一条消息所在文件；- 表示标准输入"),
            ("token_file", "发送方接入系统的令牌所在文件"),
        ],
    },
    Text {
        path: "trail",
        about: "查看一条消息的全程留痕",
        arguments: &[
            ("what", "消息编号、推送编号或业务编号"),
            ("organisation", "按业务编号查时：发送机构的编号或名称"),
            ("kind", "按业务编号查时：消息类型"),
            ("revision", "按业务编号查时：版本；不给则取最新"),
        ],
    },
    Text { path: "route", about: "路由查询", arguments: &[] },
    Text {
        path: "route explain",
        about: "一条消息会送达谁、依据是什么、为什么；不产生任何影响",
        arguments: &[
            ("file", "规范 JSON 格式的一条消息所在文件，须写明发送机构；- 表示标准输入"),
            ("at", "按此时接收推算（RFC 3339）；不给则按现在"),
        ],
    },
    Text { path: "deliveries", about: "列出推送并作人工处理", arguments: &[] },
    Text {
        path: "deliveries list",
        about: "按接收先后列出推送",
        arguments: &[
            ("state", "状态，也可写中文，如 待人工处理"),
            ("endpoint", "接入系统"),
            ("organisation", "接收机构的编号或名称"),
            ("message", "消息编号"),
            ("limit", "最多列出多少条"),
            ("offset", "先跳过多少条"),
        ],
    },
    Text {
        path: "deliveries retry",
        about: "立即重试；次数与时限重新起算",
        arguments: &[DELIVERY, REASON_OPTIONAL, BY],
    },
    Text {
        path: "deliveries park",
        about: "挂起，转待人工处理；同一序列中其后的随之等待",
        arguments: &[DELIVERY, REASON, BY, DRY_RUN],
    },
    Text {
        path: "deliveries skip",
        about: "跳过一条待人工处理的推送，其后的继续送出",
        arguments: &[DELIVERY, REASON, BY, DRY_RUN],
    },
    Text { path: "deliveries withdraw", about: "取消推送", arguments: &[DELIVERY, REASON, BY, DRY_RUN] },
    Text {
        path: "deliveries offline",
        about: "登记线下送达",
        arguments: &[DELIVERY, ("document", "送达回证文号"), REASON_OPTIONAL, BY, DRY_RUN],
    },
    Text {
        path: "deliveries confirm",
        about: "确认转报：放行一条待转报的推送",
        arguments: &[DELIVERY, REASON_OPTIONAL, BY],
    },
    Text { path: "adapter", about: "检查、测试适配器", arguments: &[] },
    Text {
        path: "adapter check",
        about: "读入并编译适配器，一次列出全部问题及其文件、行号、键名",
        arguments: &[("endpoints", "接入系统；不给则全部")],
    },
    Text {
        path: "adapter test",
        about: "运行适配器目录中的映射用例",
        arguments: &[("endpoints", "接入系统；不给则全部")],
    },
    Text { path: "registry", about: "注册表查询", arguments: &[] },
    Text {
        path: "registry lint",
        about: "找出不可能奏效之处：无监管部门的事项、永不生效的规则、无主管部门的条线",
        arguments: &[],
    },
    Text { path: "token", about: "新建、列出、吊销令牌", arguments: &[] },
    Text {
        path: "token new",
        about: "新建令牌；只显示一次，保存的只是摘要",
        arguments: &[
            ("name", "令牌名称，便于辨认"),
            ("endpoint", "代表哪个接入系统；不给则为运维人员所用"),
            ("worker", "供哪个适配进程接入，名称同 bus.workers"),
            REASON_OPTIONAL,
            BY,
        ],
    },
    Text { path: "token list", about: "列出令牌，不含令牌本身", arguments: &[] },
    Text {
        path: "token revoke",
        about: "吊销令牌，立即生效",
        arguments: &[("name", "令牌名称"), REASON_OPTIONAL, BY],
    },
    Text { path: "key", about: "签名密钥及其更换", arguments: &[] },
    Text {
        path: "key list",
        about: "列出签名密钥及各自的使用期间",
        arguments: &[("pem", "输出 PEM 格式的公钥，供核验者使用")],
    },
    Text {
        path: "key new", about: "生成下一个密钥，存入 keys.next 所指的文件", arguments: &[]
    },
    Text {
        path: "key rotate",
        about: "查看下一个密钥将如何启用；加 --apply 则启用",
        arguments: &[
            ("apply", "执行：告知期过后由下一个密钥签名"),
            ("reason", "原因，记入留痕并由新旧密钥共同签名"),
            BY,
        ],
    },
    Text { path: "seal", about: "核验封存", arguments: &[] },
    Text {
        path: "seal verify",
        about: "从第一条起核验封存的留痕，并核对由其得出的存储内容",
        arguments: &[
            ("key", "可信公钥的 PEM 文件；不给则用本枢纽的公钥"),
            ("anchor", "另行保管的检查点，存储中必须包含；可给多次"),
        ],
    },
    Text { path: "evidence", about: "证据包：向第三方证明", arguments: &[] },
    Text {
        path: "evidence export",
        about: "出具一次推送或一条消息的证据包；持有者可读到消息内容",
        arguments: &[
            ("id", "推送编号或消息编号"),
            ("matter", "整个联动件：更正、转报、签收退回、反馈一并放入"),
            ("out", "写入的文件；不给则写到标准输出"),
            ("html", "另写一份供打印的中文页面"),
            ("redact", "不放入消息内容和对方答复的文字；其余照样可证"),
            ("wait", "等到有关记录封存"),
            ("archives", "归档所在目录：用于已由 retention run 移出的内容"),
        ],
    },
    Text {
        path: "evidence verify",
        about: "核验证据包并说明其所证明的事项，无须存储和网络",
        arguments: &[
            ("file", "证据包文件"),
            ("key", "可信公钥的 PEM 文件；证据包内所列公钥一概不作数"),
            ("log", "须为此日志（同 seal.origin）；不给则为该公钥签名的任一日志"),
            ("authority", "可信时间戳机构证书的 PEM 文件；不给则用 timestamp.authority"),
            ("html", "另写一份供打印的中文页面"),
        ],
    },
    Text {
        path: "evidence refused",
        about: "查验枢纽是否拒收过这些字节，以及哪条留痕可证",
        arguments: &[("file", "发送方当时发送的原样字节")],
    },
    Text {
        path: "seal prove",
        about: "证明现有留痕是另行保管的检查点的延续：其间没有改动、删除",
        arguments: &[
            ("old", "较早的检查点"),
            ("new", "较晚的检查点；不给则取存储中最新的"),
            ("to", "证明写入的文件；不给则输出"),
        ],
    },
    Text {
        path: "seal verify-proof",
        about: "核验这样的证明，无须存储",
        arguments: &[("proof", "证明文件"), ("key", "可信公钥的 PEM 文件；不给则用本枢纽的公钥")],
    },
    Text {
        path: "retention", about: "归档超过在线保存期限的内容，核验归档", arguments: &[]
    },
    Text {
        path: "retention run",
        about: "列出超过在线保存期限的月份；加 --apply 则归档并移出在线存储",
        arguments: &[
            ("apply", "确实执行：先写归档，再移出"),
            ("to", "归档所在目录，其下每月一个；应在另外的、有备份的存储上"),
            REASON,
            BY,
        ],
    },
    Text {
        path: "retention erase",
        about: "法定期限届满后清除消息内容（在线与归档）；不加 --apply 只是查看",
        arguments: &[
            ("before", "此日（北京时间）之前接收的，最晚为六个月前"),
            ("message", "指定的消息，不论多久；可给多次"),
            ("archives", "归档所在目录：此日之前结束的月份一并清除"),
            ("apply", "确实清除，不可恢复"),
            ("reason", "原因：届满的期限或何人要求，记入留痕"),
            BY,
        ],
    },
    Text {
        path: "retention verify",
        about: "核验归档，无须存储",
        arguments: &[
            ("folder", "各月归档所在目录"),
            ("key", "可信公钥的 PEM 文件；不给则用本枢纽的公钥"),
            ("anchor", "另行保管的检查点，归档中必须包含；可给多次"),
        ],
    },
    Text {
        path: "reconcile",
        about: "对账：某日各机构之间的件数与摘要，与对方清单比对，重新推送所缺",
        arguments: &[
            ("day", "日期（北京时间）"),
            ("pair", "从谁到谁，写作 发送机构:接收机构；不给则全部"),
            ("lines", "每件一行的 CSV，而非合计"),
            ("to", "CSV 写入的文件；不给则输出"),
            ("bom", "CSV 以 BOM 开头，便于电子表格软件识别 UTF-8"),
            ("compare", "对方清单（CSV，须有 delivery 列）：列出对方缺少、本方缺少、不一致的"),
            ("plan", "写出对账处置方案：每处差异如何处置及原因"),
            ("apply", "执行方案，要么全部要么全不；已送达的以同一编号再送一次，仍为已送达"),
            ("dry_run", "只说明方案现在会做什么，不执行"),
            ("reason", "原因；执行方案时必填，记入留痕"),
            BY,
        ],
    },
    Text {
        path: "bench",
        about: "测量本机的上限，以及枢纽在本机上的速度",
        arguments: &[
            ("store", "枢纽所用的库；postgres 为 postgres.url 的服务器，运行时自建一个库，结束时删除"),
            ("bus", "枢纽所用的总线；amqp 为 bus.url 的 RabbitMQ，适配进程独立于枢纽，须与 postgres 同用"),
            ("messages", "每轮每组批量送入的消息数"),
            ("singles", "每轮每组逐条送入的消息数"),
            ("rounds", "轮数；比值在同一轮内取得，表中为中位数"),
            ("backlog", "积压的推送件数，每条消息四件"),
            ("rate", "轻载下测时延时每秒送入的消息数"),
            ("seconds", "轻载测量的秒数"),
            ("lone", "单个发送方送入的消息数"),
            ("dir", "工作目录，应在所测的磁盘上；不给则用系统临时目录"),
        ],
    },
];

/// Names of values, as they stand between angle brackets.
pub(super) const VALUES: &[(&str, &str)] = &[
    ("FILE", "文件"),
    ("PLAN", "方案文件"),
    ("FOLDER", "目录"),
    ("DAY", "日期"),
    ("PAIR", "机构:机构"),
    ("LANGUAGE", "语言"),
    ("TIME", "时间"),
    ("ID", "编号"),
    ("ID_OR_KEY", "编号"),
    ("ATTACH", "方式"),
    ("STORE", "库"),
    ("BUS", "总线"),
    ("PART", "角色"),
    ("TOKEN_FILE", "文件"),
    ("WORLD", "目录"),
    ("STATE", "状态"),
    ("ENDPOINT", "接入系统"),
    ("WORKER", "适配进程"),
    ("ORGANISATION", "机构"),
    ("MESSAGE", "消息编号"),
    ("LIMIT", "条数"),
    ("OFFSET", "条数"),
    ("KIND", "类型"),
    ("REVISION", "版本"),
    ("DELIVERY", "推送编号"),
    ("REASON", "原因"),
    ("DOCUMENT", "文号"),
    ("NAME", "名称"),
    ("KEY", "文件"),
    ("MESSAGES", "条数"),
    ("SINGLES", "条数"),
    ("ROUNDS", "轮数"),
    ("BACKLOG", "件数"),
    ("RATE", "条数"),
    ("SECONDS", "秒数"),
    ("LONE", "条数"),
];

/// The text of a command.
pub(super) fn command(path: &str) -> Option<&'static str> {
    TEXTS.iter().find(|text| text.path == path).map(|text| text.about)
}

/// The text of an argument.
pub(super) fn argument(path: &str, id: &str) -> Option<&'static str> {
    let text = TEXTS.iter().find(|text| text.path == path)?;
    text.arguments.iter().find(|(argument, _)| *argument == id).map(|(_, text)| *text)
}

/// The word for a value.
pub(super) fn value(name: &str) -> Option<&'static str> {
    VALUES.iter().find(|(english, _)| *english == name).map(|(_, chinese)| *chinese)
}

/// What the table speaks of: commands by path, and their arguments.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    TEXTS.iter().flat_map(|text| {
        std::iter::once((text.path, None)).chain(text.arguments.iter().map(|(id, _)| (text.path, Some(*id))))
    })
}
